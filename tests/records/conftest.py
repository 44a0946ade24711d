"""What tests of the records room share."""

from collections.abc import Callable

import pytest

from lightning_flowers.__main__ import main


@pytest.fixture
def records(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `records ...` as a user would; gives the exit status, what was printed, and what was said on stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["records", *map(str, args)])
        out, err = capsys.readouterr()
        return status, out, err

    return run
