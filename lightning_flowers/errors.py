"""Errors that a user can mend: shown as one line, without a traceback."""


class UserError(Exception):
    """A mistake in what the user gave (a path, a flag, a file). The message names the thing and the mend."""


class DivergedError(UserError):
    """Training has left the finite numbers; what was saved before is good."""


class DataError(UserError):
    """A damaged or unsuitable shard, record or picture."""


class RecordError(DataError):
    """Something wrong with one record of a shard: `what`, and at which byte `offset` its frame begins."""

    def __init__(self, shard: object, record: int, offset: int, what: str) -> None:
        super().__init__(f"{shard}: record {record} at byte {offset}: {what}")
        self.offset, self.what = offset, what
