"""The sixteen species of the demo petals, as a table.

Most colours are shared by several species, and most species come in several colours, so that colour alone tells none.
"""

from dataclasses import dataclass

from lightning_flowers.data.sources.demo.parts import Centre, Habit, Palette, Petal, Whorl


@dataclass(frozen=True)
class Species:
    """One kind of flower: its petals whorl by whorl, its colours (one is drawn for a plant), centre and habit."""

    name: str
    whorls: tuple[Whorl, ...]
    palettes: tuple[Palette, ...]
    centre: Centre
    habit: Habit


WHITE = Palette((222, 226, 205), (246, 246, 240), (190, 196, 180))
GOLD = Palette((232, 160, 8), (252, 212, 30), (196, 120, 10))
ORANGE = Palette((240, 150, 40), (238, 104, 24), (112, 34, 16))
SCARLET = Palette((170, 14, 16), (222, 40, 24), (34, 12, 22))
CRIMSON = Palette((150, 10, 40), (206, 28, 62), (96, 6, 30))
PINK = Palette((250, 226, 226), (238, 138, 172), (212, 84, 134))
MAGENTA = Palette((196, 60, 140), (214, 86, 168), (130, 24, 96))
MAUVE = Palette((150, 62, 120), (200, 120, 180), (124, 50, 104))
BLUE = Palette((48, 60, 170), (84, 106, 226), (34, 36, 120))
VIOLET = Palette((96, 84, 190), (128, 116, 220), (66, 52, 150))
SKY = Palette((244, 246, 250), (112, 166, 236), (84, 120, 200))

SPECIES: tuple[Species, ...] = (
    Species(
        "ox-eye daisy",
        (Whorl(Petal("strap", 0.24, notch=0.03, veins=0.3), (17, 26), lift=(6, 10)),),
        (WHITE,),
        Centre(0.32, (214, 158, 14), (248, 206, 40), dome=0.35),
        Habit("solitary", (0.24, 0.42), leaf="cut"),
    ),
    Species(
        "common dandelion",
        (Whorl(Petal("strap", 0.17, teeth=0.04, veins=0.2), (56, 74), (1.0, 0.35), (4, 78), "spiral"),),
        (GOLD,),
        Centre(0.0, GOLD.base, GOLD.tip),
        Habit("solitary", (0.22, 0.38), leaf="cut"),
    ),
    Species(
        "wild rose",
        (Whorl(Petal("wedge", 1.08, notch=0.12, ruffle=0.07, veins=0.16, fade=(0.1, 0.7)), (5, 5), lift=(14, 14)),),
        (PINK, Palette((240, 240, 214), (250, 246, 242), (232, 214, 214))),
        Centre(0.1, (150, 170, 60), (214, 190, 60), stamens=34, reach=0.34),
        Habit("solitary", (0.26, 0.42), leaf="toothed"),
    ),
    Species(
        "sunflower",
        (
            Whorl(Petal("pointed", 0.28, veins=0.35), (17, 23), lift=(4, 4)),
            Whorl(Petal("pointed", 0.28, veins=0.35), (15, 20), (0.9, 0.9), (14, 14)),
        ),
        (GOLD,),
        Centre(0.44, (60, 40, 18), (112, 66, 20), dome=0.14),
        Habit("solitary", (0.28, 0.46), leaf="oval"),
    ),
    Species(
        "snowdrop",
        (
            Whorl(Petal("cup", 0.36, veins=0.16), (3, 3), lift=(52, 60)),
            Whorl(
                Petal("wedge", 0.5, notch=0.2, blotch=0.0, fade=(0.45, 0.62)),
                (3, 3),
                (0.6, 0.6),
                (78, 78),
                palette=Palette((238, 240, 232), (66, 136, 50), (200, 206, 190)),
            ),
        ),
        (WHITE,),
        Centre(0.13, (60, 120, 40), (110, 160, 70), dome=0.9),
        Habit("solitary", (0.28, 0.46), (70, 125), (65, 115), leaf="sword"),
    ),
    Species(
        "meadow buttercup",
        (Whorl(Petal("round", 0.98, veins=0.14), (5, 5), lift=(26, 38)),),
        (GOLD, Palette((226, 180, 20), (252, 230, 60), (206, 150, 20))),
        Centre(0.17, (150, 166, 40), (216, 186, 30), dome=0.5, stamens=30, reach=0.3),
        Habit("solitary", (0.2, 0.36), leaf="cut"),
    ),
    Species(
        "common bluebell",
        (
            Whorl(Petal("cup", 0.5, veins=0.3), (6, 6), (0.9, 0.9), (76, 76)),
            Whorl(Petal("pointed", 0.6, veins=0.2), (6, 6), (0.36, 0.36), (-12, -12), height=0.78, rim=0.2),
        ),
        (VIOLET, PINK, WHITE),
        Centre(0.0, VIOLET.base, VIOLET.tip),
        Habit("raceme", (0.12, 0.17), (70, 110), (40, 85), (9, 14), "blade"),
    ),
    Species(
        "cornflower",
        (
            Whorl(Petal("trumpet", 0.6, teeth=0.32, veins=0.2), (8, 12), lift=(14, 26)),
            Whorl(
                Petal("strap", 0.16),
                (16, 24),
                (0.5, 0.3),
                (35, 80),
                "spiral",
                palette=Palette((70, 20, 100), (150, 60, 170), (60, 10, 90)),
            ),
        ),
        (BLUE, MAUVE),
        Centre(0.0, BLUE.base, BLUE.tip),
        Habit("solitary", (0.24, 0.4), leaf="lance"),
    ),
    Species(
        "corn poppy",
        (
            Whorl(Petal("wedge", 1.3, ruffle=0.14, veins=0.25, blotch=0.26), (2, 2), lift=(14, 22)),
            Whorl(Petal("wedge", 1.15, ruffle=0.14, veins=0.25, blotch=0.26), (2, 2), (0.9, 0.9), (34, 34)),
        ),
        (SCARLET, ORANGE),
        Centre(0.14, (120, 140, 80), (70, 84, 50), dome=0.7, stamens=46, reach=0.27, anther=(46, 34, 50)),
        Habit("solitary", (0.28, 0.44), leaf="cut"),
    ),
    Species(
        "garden tulip",
        (
            Whorl(Petal("cup", 0.72, veins=0.2), (3, 3), lift=(70, 70)),
            Whorl(Petal("cup", 0.72, veins=0.2), (3, 3), (0.97, 0.97), (76, 76)),
        ),
        (CRIMSON, GOLD, PINK, WHITE),
        Centre(0.1, (160, 170, 70), (60, 50, 30), dome=1.0),
        Habit("solitary", (0.36, 0.55), (60, 95), (-110, -70), leaf="sword"),
    ),
    Species(
        "tiger lily",
        (
            Whorl(Petal("pointed", 0.36, spots=22, veins=0.22), (3, 3), lift=(10, 18)),
            Whorl(Petal("pointed", 0.46, spots=26, veins=0.22, ruffle=0.05), (3, 3), (0.97, 0.97), (16, 24)),
        ),
        (
            ORANGE,
            Palette((250, 196, 60), (250, 170, 40), (110, 40, 20)),
            Palette((250, 236, 230), (236, 130, 160), (130, 20, 60)),
        ),
        Centre(0.05, (170, 190, 90), (150, 160, 60), stamens=7, reach=0.62, anther=(120, 50, 20)),
        Habit("solitary", (0.34, 0.48), leaf="lance"),
    ),
    Species(
        "common primrose",
        (Whorl(Petal("wedge", 0.86, notch=0.2, veins=0.1, fade=(0.22, 0.36)), (5, 5), lift=(5, 12)),),
        (
            Palette((238, 176, 20), (248, 238, 160), (226, 160, 20)),
            Palette((244, 196, 40), (220, 96, 160), (170, 40, 110)),
        ),
        Centre(0.07, (150, 170, 60), (200, 170, 30)),
        Habit("solitary", (0.2, 0.34), leaf="oval"),
    ),
    Species(
        "wood forget-me-not",
        (Whorl(Petal("round", 0.98, veins=0.1, fade=(0.2, 0.34)), (5, 5), lift=(4, 12)),),
        (SKY, Palette((250, 240, 244), (232, 150, 196), (190, 100, 150))),
        Centre(0.2, (140, 90, 20), (246, 210, 50)),
        Habit("umbel", (0.065, 0.095), florets=(9, 20), leaf="lance"),
    ),
    Species(
        "purple coneflower",
        (Whorl(Petal("strap", 0.27, notch=0.05, veins=0.35), (12, 18), lift=(-32, -12)),),
        (MAUVE, WHITE),
        Centre(0.36, (70, 60, 20), (206, 92, 24), dome=1.0),
        Habit("solitary", (0.26, 0.42), (25, 65), (-130, -50), leaf="lance"),
    ),
    Species(
        "garden dahlia",
        (Whorl(Petal("spoon", 0.42, veins=0.2), (46, 60), (1.0, 0.2), (2, 68), "spiral"),),
        (CRIMSON, GOLD, MAGENTA, WHITE),
        Centre(0.0, GOLD.base, GOLD.tip),
        Habit("solitary", (0.26, 0.42), leaf="toothed"),
    ),
    Species(
        "common foxglove",
        (
            Whorl(Petal("cup", 0.5, veins=0.15), (5, 5), (1.1, 1.1), (80, 80)),
            Whorl(Petal("round", 1.0, veins=0.1), (5, 5), (0.3, 0.3), (35, 35), height=0.9, rim=0.2),
        ),
        (MAGENTA, PINK, WHITE),
        Centre(0.0, MAGENTA.base, MAGENTA.tip),
        Habit("raceme", (0.13, 0.19), (55, 90), (30, 75), (13, 19), "oval"),
    ),
)
