"""Errors that a user can mend: shown as one line, without a traceback."""


class UserError(Exception):
    """A mistake in what the user gave (a path, a flag, a file). The message names the thing and the mend."""


class DataError(UserError):
    """A damaged or unsuitable shard, record or picture."""
