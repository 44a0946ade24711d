"""Which accelerator, precision and strategy a run is to have, before Lightning looks for itself."""

import importlib.util
import os
from pathlib import Path

import torch

from lightning_flowers.errors import UserError

# PCI identities of Google's TPUs, from torch_xla/_internal/tpu.py.
_GOOGLE_PCI_VENDOR = "0x1ae0"
_TPUS = {
    "0x0027": "TPU v2/v3",
    "0x0056": "TPU",
    "0x005e": "TPU v4",
    "0x0062": "TPU v5p",
    "0x0063": "TPU v5e",
    "0x006f": "TPU v6e",
    "0x0076": "TPU v7",
}
_PCI_DEVICES = Path("/sys/bus/pci/devices")

# Lightning's short names.
_SHORT = {"bf16": "bf16-mixed", "16": "16-mixed", "32": "32-true"}
# Weights, their updates and all that is counted are float32: in 16 bits small updates would be lost.
_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def choose_accelerator(asked: str, flag: str = "--trainer.accelerator") -> str:
    """Replace `auto` by the best hardware that is there (TPU, then CUDA, then CPU); check any other choice.

    Lightning's own `auto` imports torch_xla wherever it is installed; this never does.

    Args:
        asked: auto, or a name of Lightning's.
        flag: what to call it.

    Raises:
        UserError: a TPU or GPU was asked for and there is none that can be used; says why.
    """
    if asked == "auto":
        if has_tpu() and importlib.util.find_spec("torch_xla"):
            return "tpu"
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "tpu":
        _require_tpu(flag)
    if asked == "mps":
        raise UserError(f"{flag}=mps: Apple's GPUs have no float64, which sums need: use cpu")
    if asked in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(f"{flag}={asked}: torch {torch.__version__} finds no GPU: use cpu, or auto")
    return asked


def choose_precision(asked: str | int | None, accelerator: str) -> str:
    """The precision asked for, else bf16-mixed on TPU and on GPUs that have it, 16-mixed on older GPUs, float32 on CPU.

    Raises:
        UserError: one that cannot be had; says why.
    """
    if asked is not None:
        return check_precision(_SHORT.get(str(asked), str(asked)), accelerator)
    if accelerator == "tpu":
        return "bf16-mixed"
    if accelerator not in ("cuda", "gpu") or not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"


def check_precision(precision: str, accelerator: str) -> str:
    """The same, where it can be had.

    Raises:
        UserError: it cannot.
    """
    can_be = _PRECISIONS[:2] if accelerator == "tpu" else _PRECISIONS
    if precision not in can_be:
        raise UserError(f"--trainer.precision={precision}: weights are float32 here: use {' or '.join(can_be)}")
    return precision


def has_tpu() -> bool:
    """Whether this host has TPU chips, without asking torch_xla or a metadata server."""
    return os.environ.get("PJRT_DEVICE") == "TPU" or not _TPUS.keys().isdisjoint(_chips())


def uses_cpu_client() -> bool:
    """Whether torch_xla's CPU client is to stand in for a TPU, with CPU_NUM_DEVICES cores."""
    return os.environ.get("PJRT_DEVICE") == "CPU"


def tpu_name() -> str:
    """The TPU's name, for people; it tells the CPU client from the real thing."""
    if uses_cpu_client():
        return "core of torch_xla's CPU client"
    names = [_TPUS[chip] for chip in _chips() if chip in _TPUS]
    return f"core of {names[0] if names else os.environ.get('TPU_ACCELERATOR_TYPE', 'TPU')}"


def cpu_client_cores() -> int:
    """Cores of the CPU client.

    Raises:
        UserError: CPU_NUM_DEVICES is no number of cores.
    """
    number = os.environ.get("CPU_NUM_DEVICES", "1")
    if not number.isdecimal() or int(number) < 1:
        raise UserError(f"CPU_NUM_DEVICES={number}: must be a number of cores, such as 8")
    return int(number)


def _chips() -> list[str]:
    devices = sorted(_PCI_DEVICES.iterdir()) if _PCI_DEVICES.is_dir() else ()
    return [identity for device in devices if (identity := _google_device(device))]


def _google_device(device: Path) -> str | None:
    try:
        vendor = (device / "vendor").read_text().strip()
        return (device / "device").read_text().strip() if vendor == _GOOGLE_PCI_VENDOR else None
    except OSError:
        return None


def _require_tpu(flag: str) -> None:
    if importlib.util.find_spec("torch_xla") is None:
        raise UserError(
            f"{flag}=tpu: torch_xla is not installed: pip install -e '.[tpu]' in its folder, or use {flag}=auto"
        )
    if not has_tpu() and not uses_cpu_client():
        raise UserError(
            f"{flag}=tpu: this host has no TPU: use {flag}=auto, "
            "or rehearse on the CPU with PJRT_DEVICE=CPU CPU_NUM_DEVICES=8 before the command"
        )
