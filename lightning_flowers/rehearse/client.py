"""torch_xla's CPU client in the place of a TPU, and what it counts.

`hardware.xla` is imported late: torch_xla must find the environment that was chosen.
"""

import importlib.util
import os

from torch import Tensor

from lightning_flowers.errors import UserError

_READ = "aten::_local_scalar_dense"  # a value that is read back; torch_xla counts it with the operators it has not


def choose_client(cores: int) -> None:
    """Have torch_xla use its CPU client, with so many cores.

    Raises:
        UserError: torch_xla is not installed.
    """
    if importlib.util.find_spec("torch_xla") is None:
        raise UserError("rehearse: torch_xla is not installed: pip install -e '.[rehearse]' in the project's folder")
    os.environ |= {"PJRT_DEVICE": "CPU", "CPU_NUM_DEVICES": str(cores)}


def sent() -> int:
    """Bytes that crossed from the host to the cores so far."""
    from lightning_flowers.hardware.xla import compiles

    return compiles.sent()


def values_read() -> int:
    """Values that were read back from the cores so far, one by one."""
    from lightning_flowers.hardware.xla import compiles

    return compiles.fallbacks().get(_READ, 0)


def fallbacks() -> dict[str, int]:
    """How often each operator ran on the host, for want of one for XLA."""
    from lightning_flowers.hardware.xla import compiles

    return {name: count for name, count in compiles.fallbacks().items() if name != _READ}


def compiled() -> tuple[int, float]:
    """Graphs compiled so far, and the seconds that it took."""
    from lightning_flowers.hardware.xla import compiles

    return compiles.compiles()


def causes() -> list[tuple[str, str]]:
    """Why graphs were compiled so far, as far as torch_xla tells, and at which lines of Python."""
    from lightning_flowers.hardware.xla import causes

    return [(cause.why, cause.where) for cause in causes.causes()]


def sharding_of(tensor: Tensor) -> str:
    """How a tensor lies on the cores, in XLA's words; empty if nothing was said, and each core has the whole."""
    from lightning_flowers.hardware.xla import runtime

    return runtime.sharding_of(tensor)
