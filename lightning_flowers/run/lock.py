"""One process trains a run at a time: two would write over each other's checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Keep other processes from training the run meanwhile, where its disk knows locks.

    Raises:
        UserError: another one trains it.
    """
    path = folder.checkpoints / ".lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{folder.path}: another process trains it: wait for its end, or end it") from error
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            path.unlink()
