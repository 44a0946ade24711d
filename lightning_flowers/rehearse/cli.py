"""The command line of `rehearse`."""

import io
import json
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning_flowers.files import write_text
from lightning_flowers.records.text import say
from lightning_flowers.rehearse.findings import findings
from lightning_flowers.rehearse.rehearsal import Rehearsal
from lightning_flowers.rehearse.report import to_text

FAILED = 1


def run(args: list[str]) -> int:
    """Run `rehearse ...` and return its exit status: 0, or 1 if the run would not go well on a TPU.

    Raises:
        UserError: a mistake in the arguments, or torch_xla is not there.
    """
    with TemporaryDirectory(prefix="lightning_flowers_rehearsal_") as folder:
        rehearsal = _quietly(args, Path(folder))
        found = findings(rehearsal)
    say(to_text(found))
    if rehearsal.asked.json:
        write_text(Path(rehearsal.asked.json).expanduser(), json.dumps(found.as_dict(), indent=1) + "\n")
    return FAILED if found.failures() else 0


def _quietly(args: list[str], folder: Path) -> Rehearsal:
    """Rehearse, without what a run prints: the report says what matters of it."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Rehearsal(args, folder)
    except SystemExit:  # of --help and --print_config
        sys.stdout.write(said.getvalue())
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted") from None  # not how to go on with a run that is gone
