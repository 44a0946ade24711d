"""The sixteen species of the demo petals, as a table, and the words that describe a flower.

Most colours are shared by several species, and most species come in several colours, so that colour alone tells none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

RGB = tuple[int, int, int]
Span = tuple[float, float]
Colours = tuple[RGB, RGB]  # of a petal, at its base and at its tip
Pose = tuple[Span, Span]


@dataclass(frozen=True)
class Petals:
    """Petals alike around one axis, or leaves."""

    outline: str  # a key of petals.OUTLINES
    width: float  # in petal lengths, as the cuts of the edge: notch and teeth
    count: tuple[int, int] = (1, 1)  # least and most
    lift: Span = (8, 8)  # degrees above the blossom's plane, of the first and the last petal
    length: Span = (1, 1)  # in blossom radii, likewise
    spiral: bool = False  # set at golden angles, not evenly
    notch: float = 0
    teeth: float = 0
    spots: int = 0
    fade: Span = (0, 1)  # where along the petal the base's colour ends, and where the tip's begins
    colours: Colours | None = None  # where they are not the plant's
    height: float = 0  # of the bases above the blossom's own, in its radii
    rim: float = 0  # how far the bases are from the axis, likewise


class Centre(NamedTuple):
    """A disc or dome of florets, from inner to rim colour, and stamens; lengths are in blossom radii."""

    radius: float = 0
    inner: RGB = (150, 170, 60)
    rim: RGB = (214, 190, 40)
    dome: float = 0.3
    stamens: int = 0
    reach: float = 0.3
    anther: RGB = (225, 180, 50)


class Species(NamedTuple):
    """One kind of flower."""

    name: str
    petals: Sequence[Petals]
    colours: Sequence[Colours]  # of which a plant has one
    centre: Centre = Centre()
    radius: float = 0.33  # of a blossom, as a share of the picture; plants differ from it by a quarter
    leaf: str = "lance"  # a key of LEAVES
    pose: Pose = ((0, 50), (0, 360))  # degrees that blossoms lean from the viewer, and whither on the screen (90: down)
    florets: tuple[int, int] = (1, 1)  # least and most blossoms of a plant that has many
    dome: bool = False  # these stand together at the top of its stem, not along it


WHITE = ((222, 226, 205), (246, 246, 240))
GOLD = ((232, 160, 8), (252, 212, 30))
LEMON = ((226, 180, 20), (252, 230, 60))
ORANGE = ((240, 150, 40), (238, 104, 24))
AMBER = ((250, 196, 60), (250, 170, 40))
CRIMSON = ((150, 10, 40), (206, 28, 62))
PINK = ((250, 226, 226), (238, 138, 172))
MAGENTA = ((196, 60, 140), (214, 86, 168))
MAUVE = ((150, 62, 120), (200, 120, 180))
PURPLE = ((70, 20, 100), (150, 60, 170))
BLUE = ((48, 60, 170), (84, 106, 226))
VIOLET = ((96, 84, 190), (128, 116, 220))
SKY = ((244, 246, 250), (112, 166, 236))
GREEN_TIPPED = ((238, 240, 232), (66, 136, 50))
BLACK_RED, BLACK_ORANGE = ((34, 12, 22), (222, 40, 24)), ((60, 20, 16), ORANGE[1])
YELLOW_CREAM, YELLOW_PINK = ((238, 176, 20), (248, 238, 160)), ((244, 196, 40), (220, 96, 160))

DAISY = [Petals("strap", 0.24, (17, 26), (6, 10), notch=0.03)]
DANDELION = [Petals("strap", 0.17, (44, 60), (4, 78), (1, 0.35), spiral=True, teeth=0.04)]
ROSE = [Petals("wedge", 1.08, (5, 5), (14, 14), notch=0.12, fade=(0.1, 0.7))]
SUNFLOWER = [Petals("pointed", 0.28, (32, 43), (4, 14), (1, 0.85), spiral=True)]
SNOWDROP = [
    Petals("cup", 0.36, (3, 3), (52, 60)),
    Petals("wedge", 0.5, (3, 3), (78, 78), (0.6, 0.6), notch=0.2, fade=(0.45, 0.62), colours=GREEN_TIPPED),
]
BUTTERCUP = [Petals("round", 0.98, (5, 5), (26, 38))]
BLUEBELL = [
    Petals("cup", 0.5, (6, 6), (76, 76), (0.9, 0.9)),
    Petals("pointed", 0.6, (6, 6), (-12, -12), (0.36, 0.36), height=0.78, rim=0.2),
]
CORNFLOWER = [
    Petals("trumpet", 0.6, (8, 12), (14, 26), teeth=0.32),
    Petals("strap", 0.16, (16, 24), (35, 80), (0.5, 0.3), spiral=True, colours=PURPLE),
]
POPPY = [Petals("wedge", 1.25, (4, 4), (14, 34), fade=(0.2, 0.32))]
TULIP = [Petals("cup", 0.72, (6, 6), (70, 77))]
LILY = [Petals("pointed", 0.42, (6, 6), (12, 22), spots=24)]
PRIMROSE = [Petals("wedge", 0.86, (5, 5), (5, 12), notch=0.2, fade=(0.22, 0.36))]
FORGET_ME_NOT = [Petals("round", 0.98, (5, 5), (4, 12), fade=(0.2, 0.34))]
CONEFLOWER = [Petals("strap", 0.27, (12, 18), (-32, -12), notch=0.05)]
DAHLIA = [Petals("spoon", 0.42, (38, 50), (2, 68), (1, 0.2), spiral=True)]
FOXGLOVE = [
    Petals("cup", 0.5, (5, 5), (80, 80), (1.1, 1.1)),
    Petals("round", 1, (5, 5), (35, 35), (0.3, 0.3), height=0.9, rim=0.2),
]

LEAVES = {
    "lance": Petals("pointed", 0.26),
    "oval": Petals("round", 0.55),
    "toothed": Petals("pointed", 0.5, teeth=0.09),
    "cut": Petals("wedge", 0.5, teeth=0.3, notch=-0.1),
    "blade": Petals("blade", 0.07),
    "sword": Petals("blade", 0.13),
}

NONE, EYE = Centre(), Centre(0.2, (140, 90, 20), (246, 210, 50))
CONE = Centre(0.36, (70, 60, 20), (206, 92, 24), 1.0)
CAPSULE = Centre(0.14, (120, 140, 80), (70, 84, 50), 0.7, 46, 0.27, (46, 34, 50))
UPRIGHT, SKYWARD = ((60, 95), (-110, -70)), ((25, 65), (-130, -50))
NODDING, HANGING, LEANING = ((70, 110), (40, 85)), ((70, 125), (65, 115)), ((50, 85), (25, 70))

SPECIES: tuple[Species, ...] = (
    Species("ox-eye daisy", DAISY, [WHITE], Centre(0.32, (214, 158, 14), (248, 206, 40), 0.35), leaf="cut"),
    Species("common dandelion", DANDELION, [GOLD], radius=0.3, leaf="cut"),
    Species("wild rose", ROSE, [PINK, WHITE], Centre(0.1, stamens=34, reach=0.34), leaf="toothed"),
    Species("sunflower", SUNFLOWER, [GOLD], Centre(0.44, (60, 40, 18), (112, 66, 20), 0.14), 0.37, "oval"),
    Species("snowdrop", SNOWDROP, [WHITE], Centre(0.13, (60, 120, 40), (110, 160, 70), 0.9), 0.36, "sword", HANGING),
    Species("meadow buttercup", BUTTERCUP, [GOLD, LEMON], Centre(0.17, dome=0.5, stamens=30), 0.28, "cut"),
    Species("common bluebell", BLUEBELL, [VIOLET, PINK, WHITE], NONE, 0.14, "blade", NODDING, (9, 14)),
    Species("cornflower", CORNFLOWER, [BLUE, MAUVE]),
    Species("corn poppy", POPPY, [BLACK_RED, BLACK_ORANGE], CAPSULE, 0.36, "cut"),
    Species("garden tulip", TULIP, [CRIMSON, GOLD, PINK, WHITE], NONE, 0.45, "sword", UPRIGHT),
    Species("tiger lily", LILY, [ORANGE, AMBER, PINK], Centre(0.05, stamens=7, reach=0.62, anther=(120, 50, 20)), 0.4),
    Species("common primrose", PRIMROSE, [YELLOW_CREAM, YELLOW_PINK], Centre(0.07), 0.27, "oval"),
    Species("wood forget-me-not", FORGET_ME_NOT, [SKY, PINK], EYE, 0.08, florets=(9, 17), dome=True),
    Species("purple coneflower", CONEFLOWER, [MAUVE, WHITE], CONE, pose=SKYWARD),
    Species("garden dahlia", DAHLIA, [CRIMSON, GOLD, MAGENTA, WHITE], leaf="toothed"),
    Species("common foxglove", FOXGLOVE, [MAGENTA, PINK, WHITE], NONE, 0.18, "oval", LEANING, (12, 17)),
)
