"""TPUs of one host: what the compiler is told of them, and what bounds a step there."""

from typing import NamedTuple

from lightning_flowers.errors import UserError, did_you_mean


class Chip(NamedTuple):
    """A TPU. Figures are of one device of torch_xla: a chip, or on v2, v3 and v4 one of its two cores.

    topology: its name for libtpu.
    devices: how many there are.
    memory: bytes of HBM.
    flops: bfloat16 operations a second, a multiplication and an addition being two.
    bandwidth: bytes a second between HBM and the core.
    links: bytes a second to other chips.
    clock: cycles a second, of the compiler's estimates.
    """

    topology: str
    devices: int
    memory: float
    flops: float
    bandwidth: float
    links: float
    clock: float


# v2, v3: Jouppi et al. 2020, "A domain-specific supercomputer for training deep neural networks", table 3.
# v4: Jouppi et al. 2023, "TPU v4", table 4. Others: Google Cloud's pages "TPU v5e", "TPU v5p", "TPU v6e"; their clocks
# follow from the peak and the units that multiply (v5e 4 and v5p 8 of 128 x 128, v6e 4 of 256 x 256).
# v4's two cores of a chip are one device in a run (megacore); libtpu compiles for each.
CHIPS = {
    "v2-8": Chip("v2:2x2", 8, 8 * 2**30, 23e12, 350e9, 248e9 / 2, 0.70e9),
    "v3-8": Chip("v3:2x2", 8, 16 * 2**30, 61.5e12, 450e9, 328e9 / 2, 0.94e9),
    "v4-8": Chip("v4:2x2x1", 8, 16 * 2**30, 137.5e12, 614e9, 300e9 / 2, 1.05e9),
    "v5e-8": Chip("v5e:2x4", 8, 16 * 2**30, 197e12, 819e9, 200e9, 1.5e9),
    "v5p-8": Chip("v5p:2x2x1", 4, 95e9, 459e12, 2765e9, 600e9, 1.75e9),
    "v6e-8": Chip("v6e:2x4", 8, 32 * 2**30, 918e12, 1640e9, 400e9, 1.75e9),
}


def find_chip(name: str) -> Chip:
    """A chip by its name.

    Raises:
        UserError: there is none of that name; says which are near.
    """
    if name not in CHIPS:
        near = did_you_mean(name, CHIPS) or f": use one of {', '.join(CHIPS)}"
        raise UserError(f"--chip={name}: no such chip{near}")
    return CHIPS[name]
