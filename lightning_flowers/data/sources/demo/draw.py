"""The artist: one picture of one species."""

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo import scene
from lightning_flowers.data.sources.demo.blossom import Blossom
from lightning_flowers.data.sources.demo.leaf import leaf_palette, paint_leaves
from lightning_flowers.data.sources.demo.parts import RGB, Palette
from lightning_flowers.data.sources.demo.plant import LAYOUTS
from lightning_flowers.data.sources.demo.species import SPECIES, Species
from lightning_flowers.data.sources.demo.stem import leaf_feet, paint_stems

SMALLEST = 32  # pixels; a smaller flower has no petals to count


def draw_flower(species: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture of a species, as from a camera, differing with the state of rng in all but the species.

    Args:
        species: row of SPECIES, 0 to len(SPECIES) - 1.
        size: edge of the picture in pixels, at least 32.
        rng: source of every choice; the same state gives the same bytes.

    Returns:
        RGB picture (size, size, 3), uint8 in [0, 255], C-contiguous.

    Raises:
        ValueError: species is not a row of SPECIES, or size is below 32.
    """
    if not 0 <= species < len(SPECIES):
        raise ValueError(f"species {species} is outside the table: use 0 to {len(SPECIES) - 1}")
    if size < SMALLEST:
        raise ValueError(f"size {size} is too small: use {SMALLEST} or more")
    picture = scene.background(size, rng)
    picture = scene.over(_plant(SPECIES[species], size, rng), picture)
    return scene.photograph(scene.through_grass(picture, rng), rng)


def _plant(kind: Species, size: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """A plant of the kind on a clear layer (size, size, 4): leaves, stems before them, blossoms before these."""
    layer = np.zeros((size, size, 4), np.float32)
    light = scene.light(rng)
    plant = LAYOUTS[kind.habit.layout](kind.habit, size, rng)
    palette = _jittered(kind.palettes[rng.integers(len(kind.palettes))], rng)
    paint_leaves(layer, kind.habit.leaf, leaf_feet(plant.stems, rng), size * rng.uniform(0.25, 0.5), rng)
    paint_stems(layer, plant.stems, leaf_palette(rng).tip, light)
    blossom = Blossom(kind.whorls, kind.centre, palette, max(head.radius for head in plant.heads), rng)
    blossom.paint(layer, plant.heads, light)
    return layer


def _jittered(palette: Palette, rng: np.random.Generator) -> Palette:
    gain = rng.normal(1, 0.035, 3) * rng.uniform(0.88, 1.06)
    base, tip, marks = (_shifted(colour, gain, rng) for colour in (palette.base, palette.tip, palette.marks))
    return Palette(base, tip, marks)


def _shifted(colour: RGB, gain: NDArray[np.float64], rng: np.random.Generator) -> RGB:
    r, g, b = np.clip(np.array(colour) * gain + rng.normal(0, 5, 3), 0, 255).astype(int).tolist()
    return r, g, b
