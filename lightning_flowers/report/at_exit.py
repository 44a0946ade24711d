"""Leaves the page of a run when the command that made the run ends."""

from pathlib import Path

from lightning_flowers.errors import UserError


def leave_report(path: Path) -> str:
    """Write the report at the end of a command, which it must not make fail.

    Returns:
        A line for people: where the page is, or why there is none.
    """
    try:
        from lightning_flowers.report.write import write_report  # late: commands that leave no page do without

        return str(write_report(path)[-1])
    except Exception as error:  # a page is not worth a run
        kind = "" if isinstance(error, UserError | OSError) else f"{type(error).__name__}: "
        return f"not made: {kind}{' '.join(str(error).split())}"
