"""What can go wrong while a command runs, as errors that say what to do."""

import errno
import pickle
import shlex
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lightning_fabric.utilities.exceptions import MisconfigurationException

from lightning_flowers import environment, hardware
from lightning_flowers.cli.arguments import quiet_lightning
from lightning_flowers.cli.commands import PROGRAM
from lightning_flowers.cli.wording import shortened
from lightning_flowers.errors import DivergedError, UserError
from lightning_flowers.files import mend_of
from lightning_flowers.run.classes import UNSAFE
from lightning_flowers.run.folder import RunFolder

_SMALLER = "{}: give --data.micro_batch, so many pictures of a batch at a time, or a smaller --data.batch_size"
# What torch says of settings once it computes with them, and what to say in its place; {} is its own first line.
_COMPUTED = {
    "Expected more than 1 value per channel": "--data.batch_size: BatchNorm cannot learn from one value: use 2 or more",
    "does not have a deterministic implementation": "--trainer.deterministic=true: {}: use warn, or leave it out",
    "Kernel size can't be greater than": "--data.size: too small for this backbone: {}",
    "Output size is too small": "--data.size: too small for this backbone: {}",
    "out of memory": _SMALLER,
    "can't allocate memory": _SMALLER,
}
_COMPILERS = ("torch._dynamo", "torch._inductor")
_LIGHTNING, _LOGGERS = ("pytorch_lightning", "lightning_fabric", "jsonargparse"), ("wandb", "mlflow")
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextmanager
def as_user_errors(folder: RunFolder | None, checkpoint: str | None, resumable: bool) -> Iterator[None]:
    """Turn a disk that cannot be written, and a checkpoint of another model or with a program in it, into a UserError;
    of a run that diverged or was interrupted, say what to go on from.

    Args:
        checkpoint: what the command started from.
        resumable: whether the run can be gone on with.
    """
    try:
        yield
    except SystemExit as interrupt:  # how Lightning ends after Ctrl-C
        raise KeyboardInterrupt(f"interrupted; {_how_to_resume(folder)}" if resumable else "") from interrupt
    except DivergedError as error:
        raise UserError(f"{error}; {_how_to_mend(folder)}") from error
    except OSError as error:
        if folder is None or error.errno not in _DISK_TROUBLE:
            raise
        hint = f"; {_how_to_resume(folder)}" if resumable else ""
        raise UserError(f"{folder.path}: cannot be written: {error.strerror}: {mend_of(error)}{hint}") from error
    except pickle.UnpicklingError as error:
        raise UserError(f"{checkpoint}: {UNSAFE}") from error
    except (RuntimeError, ValueError) as error:
        if (said := _of_settings(error)) is not None:
            raise UserError(said) from error
        if "loading state_dict" not in str(error) and "loaded state dict" not in str(error):
            raise
        what = f"{checkpoint}: not a checkpoint of this model with these classes"
        raise UserError(f"{what}: keep to the run's own --model settings and data") from error


@contextmanager
def as_refused_settings() -> Iterator[None]:
    """Turn what Lightning says to settings that cannot be into a UserError; afterwards the process is as it was found.

    Its warnings of what is meant to be so are passed over.
    """
    try:
        with environment.as_found(), hardware.as_found():
            quiet_lightning()
            yield
    except Exception as error:
        modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
        if not _answers_settings(error, modules):
            raise
        of_logger = any(module.startswith(("pytorch_lightning.loggers.", *_LOGGERS)) for module in modules)
        by = "--trainer.logger: it does not start" if of_logger else "Lightning refuses these settings"
        raise UserError(f"{by}: {shortened(str(error))}") from error


def _answers_settings(error: Exception, modules: Sequence[str]) -> bool:
    """Whether Lightning, what builds its loggers, or a logger's library says so; what they call back has faults, to be
    seen whole."""
    kinds = (MisconfigurationException, ImportError, RuntimeError, TypeError, ValueError, ZeroDivisionError)
    package = modules[-1].split(".")[0]
    return package in _LOGGERS or (package in _LIGHTNING and isinstance(error, kinds))


def _of_settings(error: Exception) -> str | None:
    first = (str(error).splitlines() or [""])[0]
    if type(error).__module__.startswith(_COMPILERS):
        return f"--model.compile=true: torch cannot compile this backbone here: {first}: leave it out"
    return next((said.format(first) for what, said in _COMPUTED.items() if what in str(error)), None)


def _how_to_resume(folder: RunFolder | None) -> str:
    """The command that goes on with a run, if anything of it was saved."""
    if folder is not None and folder.best.is_file() and not folder.last.is_file():
        weights = f"--model.weights={shlex.quote(str(folder.path))}"
        return f"its weights were saved, not what to resume from: a new run takes {weights}"
    if folder is None or not folder.last.is_file():
        return "nothing was saved yet"
    return f"resume with: {_resuming(folder)}"


def _how_to_mend(folder: RunFolder | None) -> str:
    mend = "a lower --model.lr or a wider --trainer.precision"
    if folder is None or not folder.last.is_file():
        return f"nothing good was saved yet: start anew with {mend}"
    return f"go on from the last good checkpoint with {mend}: {_resuming(folder)} --model.lr=..."


def _resuming(folder: RunFolder) -> str:
    return f"{PROGRAM} fit --resume {shlex.quote(str(folder.path))}"
