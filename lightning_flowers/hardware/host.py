"""What this process and its CPU and GPU are asked for: cores, memory, random numbers, names."""

import ctypes
import functools
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.accelerators.xla import XLAAccelerator
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.seed import isolate_rng

from lightning_flowers.cgroups import cpu_count
from lightning_flowers.hardware.choice import tpu_name

COMPILER = "inductor"  # of torch.compile
# glibc's mallopt parameters, from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_MALLOC_DEFAULTS = {_M_MMAP_MAX: 65536, _M_TRIM_THRESHOLD: 64 << 20, _M_MMAP_THRESHOLD: 32 << 20}
_malloc_told: dict[int, int] = {}  # what this process was told last
# Of torch: how each is read, and how it is written.
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    *(
        (partial(getattr, torch.backends.cudnn, name), partial(setattr, torch.backends.cudnn, name))
        for name in ("benchmark", "deterministic", "allow_tf32")
    ),
)


def pins_memory(device: torch.device) -> bool:
    """Whether batches should lie in page-locked memory."""
    return device.type == "cuda"


def reads_cheaply(device: torch.device) -> bool:
    """Whether a value can be read back now and then without breaking a compiled graph."""
    return device.type in ("cpu", "cuda")


def describe(device: torch.device) -> str:
    """The hardware's name, for the run's summary."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"{_cpu_name()}, {cpu_count()} cores"
    return tpu_name() if device.type == "xla" else device.type


def scalar(value: float, device: torch.device) -> float | torch.Tensor:
    """A number that changes from step to step, for arithmetic on a device."""
    return _xla().scalar(value) if device.type == "xla" else value


def sync(device: torch.device) -> None:
    """Send off what was asked of a TPU so far, as one graph; nothing on other hardware."""
    if device.type == "xla":
        _xla().sync()


def compiled(device: torch.device) -> dict[str, float]:
    """How many graphs XLA has compiled in this process, and in how many seconds; nothing on other hardware."""
    if device.type != "xla":
        return {}
    from lightning_flowers.hardware.xla.compiles import counters

    counted = counters()
    return {"graphs": counted.graphs, "compile_seconds": counted.seconds}


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of all random numbers that a step draws: torch's, and the GPU's or the TPU's. What draws pictures and
    their order goes by the seed and the epoch alone."""
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "xla": _xla().random_seed() if device.type == "xla" else None,
    }


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Go on with the random numbers where `random_state` was taken."""
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    if state["xla"] is not None and device.type == "xla":
        _xla().set_random_seed(state["xla"])


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked for, so that a clock can be read; nothing on other hardware."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compile_module(module: torch.nn.Module) -> None:
    """Have torch compile a module when it is next called: one graph for each mode and shape that it then meets.

    The module, its parameters and its `state_dict` stay what they are. DDP would have the graph cut at its buckets, so
    that gradients are exchanged while others are computed: ours are exchanged after the last.
    """
    torch._dynamo.config.optimize_ddp = False
    module.compile(fullgraph=True, dynamic=False, backend=COMPILER)


def fuses(trainer: Trainer | None) -> bool | None:
    """The argument `fused` of torch's optimizers: one kernel for a step, on CUDA. With float16 it unscales gradients
    itself, and Lightning could not clip them."""
    if trainer is None or trainer.strategy.root_device.type != "cuda":
        return None
    return not (trainer.precision == "16-mixed" and trainer.gradient_clip_val)


def prepare_host(accelerator: str) -> None:
    """Settings of the process that must stand before training.

    Without a TPU: Lightning is kept from looking for one, which would import torch_xla wherever it is installed. On
    CPU: freed memory is kept; glibc would give each large tensor back to the kernel and fault fresh pages in at the
    next step. On CUDA: TF32 for what stays float32, and convolutions tuned for the batch's one shape.
    """
    if accelerator != "tpu":
        XLAAccelerator.auto_device_count = functools.cache(lambda: 0)
    if accelerator == "cpu":
        keep_freed_memory()
    if accelerator in ("cuda", "gpu"):
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True


def keep_freed_memory() -> None:
    """Let this process keep what its tensors gave back, where the C library can be told so."""
    _tell_malloc({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1})


@contextmanager
def as_found() -> Iterator[None]:
    """Leave the process's settings of torch, its random numbers and its memory as they were found.

    glibc does not say how its memory was set: it gets its defaults back, with the thresholds that it would come to by
    itself in a process of large tensors.
    """
    values, available = [read() for read, _ in _SETTINGS], XLAAccelerator.auto_device_count
    try:
        with isolate_rng(include_cuda=torch.cuda.is_initialized()):
            yield
    finally:
        for (read, write), value in zip(_SETTINGS, values, strict=True):
            if read() != value:
                write(value)
        XLAAccelerator.auto_device_count = available
        if _malloc_told:
            _tell_malloc(_MALLOC_DEFAULTS)
            _malloc_told.clear()


def _tell_malloc(settings: dict[int, int]) -> None:
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in settings.items():
            libc.mallopt(parameter, value)
        _malloc_told.update(settings)


def to_channels_last(model: torch.nn.Module, device: torch.device) -> None:
    """Have the weights of convolutions in channels-last order, as the batches are: faster on CUDA and CPU."""
    if device.type in ("cuda", "cpu"):
        convert: Any = model.to
        convert(memory_format=torch.channels_last)


def _xla() -> Any:
    from lightning_flowers.hardware.xla import runtime

    return runtime


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
