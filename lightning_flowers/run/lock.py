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
    # Of whatever user, as a run may be a group's. Without the disk's help it would outlive a process that is killed.
    lock = FileLock(path, mode=0o666, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{folder.path}: another process trains it: wait for its end, or end it") from error
    except (OSError, NotImplementedError):
        pass  # of a disk without locks: a run is trained there as before
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):
                path.unlink()  # while it is held: others then lock none that is gone
            lock.release()
