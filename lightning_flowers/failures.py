"""What can go wrong while a command runs, as errors that say what to do."""

import errno
import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_flowers.commands import PROGRAM
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder

_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


@contextmanager
def as_user_errors(folder: RunFolder | None, checkpoint: str | None, resumable: bool) -> Iterator[None]:
    """Turn a disk that cannot be written, a checkpoint of another model or with a program in it, into a UserError.

    Args:
        folder: the run's, if it has one.
        checkpoint: what the command started from.
        resumable: whether the run can be gone on with.
    """
    try:
        yield
    except OSError as error:
        if folder is None or error.errno not in _DISK_TROUBLE:
            raise
        hint = f"; {how_to_resume(folder)}" if resumable else ""
        raise UserError(f"{folder.path}: cannot be written: {error.strerror}: make room there{hint}") from error
    except pickle.UnpicklingError as error:
        what = "damaged, or a pickle of more than tensors and settings, which could run a program"
        raise UserError(f"{checkpoint}: cannot be loaded: {what}: take a checkpoint that fit left") from error
    except (RuntimeError, ValueError) as error:
        if "loading state_dict" not in str(error) and "loaded state dict" not in str(error):
            raise
        what = f"{checkpoint}: not a checkpoint of this model with these classes"
        raise UserError(f"{what}: keep to the run's own --model settings and data") from error


def how_to_resume(folder: RunFolder | None) -> str:
    """The command that goes on with a run, if anything of it was saved."""
    if folder is None or not folder.last.is_file():
        return "nothing was saved yet"
    return f"resume with: {PROGRAM} fit --resume {folder.path}"
