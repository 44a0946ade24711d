"""What tests of whole commands share."""

import csv

import pytest

from lightning_flowers.__main__ import MISUSED, main


@pytest.fixture
def run(here, petals_root, capsys):
    """Run a command on the tiny data set; gives its exit status, output and errors."""

    def run(*args, data=petals_root):
        status = main([*args, *([f"--data.root={data}"] if data else [])])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def assert_refused(result, *said):
    status, _, err = result
    assert status == MISUSED
    assert err.startswith("lightning_flowers: ")
    assert len(err.splitlines()) == 1, err
    for part in said:
        assert part in err
