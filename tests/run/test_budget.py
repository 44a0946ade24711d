"""Hours count over all sessions, those that were killed too."""

import subprocess
import sys
import time

import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.run import budget
from lightning_flowers.run.budget import Budget


def test_a_session_goes_on_with_what_the_last_one_has_left(tmp_path):
    with Budget(tmp_path / "used", 100) as first:
        first.before = 30
        assert 69 < first.left <= 70
    assert 69 < Budget(tmp_path / "used", 100).left <= 70.5
    assert Budget(tmp_path / "used", 20).left < 0


def test_what_a_killed_session_has_used_counts(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from lightning_flowers.run import budget; budget._BEAT = 0.1\n"
        "with budget.Budget(Path(sys.argv[1]), 100) as one: one.before = 50; print('here', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "used")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        deadline = time.monotonic() + 10
        while not (tmp_path / "used").is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert 50 <= Budget(tmp_path / "used", 100).before <= 60


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "used").write_text("x")
    with pytest.raises(UserError, match="used: damaged: write into it"):
        budget.Budget(tmp_path / "used", 1)
