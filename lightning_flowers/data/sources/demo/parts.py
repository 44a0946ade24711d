"""What a drawn flower is made of: petals, their colours, whorls, the centre, and how a plant carries its blossoms.

Screen axes are x to the right, y down and z towards the viewer. Lengths inside a blossom are in blossom radii.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]  # float32 at run time, which the stubs lose in arithmetic with Python floats
Vectors = NDArray[np.float64]
RGB = tuple[int, int, int]
Span = tuple[float, float]

GOLDEN_ANGLE = np.pi * (3 - 5**0.5)


@dataclass(frozen=True)
class Petal:
    """One petal, or leaf: the key of its outline, and width, cuts and markings in petal lengths and shares."""

    outline: str
    width: float
    notch: float = 0.0
    teeth: float = 0.0
    ruffle: float = 0.0
    veins: float = 0.25
    blotch: float = 0.0
    spots: int = 0
    fade: Span = (0.0, 1.0)


@dataclass(frozen=True)
class Palette:
    """Colours of a petal: at its base, at its tip, and of its veins, blotch and spots."""

    base: RGB
    tip: RGB
    marks: RGB


@dataclass(frozen=True)
class Whorl:
    """Petals set around one axis; pairs of length and lift (degrees) run from the first to the last petal."""

    petal: Petal
    count: tuple[int, int]
    length: Span = (1.0, 1.0)
    lift: Span = (8.0, 8.0)
    order: str = "ring"
    height: float = 0.0
    rim: float = 0.0
    palette: Palette | None = None


@dataclass(frozen=True)
class Centre:
    """Disc or dome of florets from inner to rim colour, and stamens that end in anthers."""

    radius: float
    inner: RGB
    rim: RGB
    dome: float = 0.3
    stamens: int = 0
    reach: float = 0.3
    anther: RGB = (225, 180, 50)


@dataclass(frozen=True)
class Habit:
    """How a plant carries its blossoms: layout key, radius as a share of the picture, tilt and heading in degrees."""

    layout: str
    radius: Span
    tilt: Span = (0, 50)
    heading: Span = (0, 360)
    florets: tuple[int, int] = (1, 1)
    leaf: str = "lance"


@dataclass(frozen=True)
class Head:
    """Where one blossom is: place (2,) and radius in pixels, rotation (3, 3) into screen axes, 1 for a closed bud."""

    place: Vectors
    radius: float
    frame: Vectors
    closed: float = 0.0


def frame(tilt: float, heading: float, spin: float) -> Vectors:
    """Rotation (3, 3) of a blossom that leans by tilt towards the screen direction heading; all in degrees."""
    lean, turn, roll = np.deg2rad([tilt, heading, spin - heading])
    about_y = np.array([[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]])
    return _about_z(turn) @ about_y @ _about_z(roll)


def _about_z(angle: float) -> Vectors:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
