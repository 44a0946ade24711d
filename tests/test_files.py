"""Files and folders that are whole or not there, on a full disk and after a kill."""

import errno
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from lightning_flowers.files import atomic_file, atomic_folder

_LARGE = torch.zeros(1 << 16)
_KILLED = """
import os, sys
from pathlib import Path
from lightning_flowers.files import atomic_folder
with atomic_folder(Path(sys.argv[1])) as part:
    (part / "half.txt").write_text("half")
    os._exit(9)
"""


@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save(_LARGE, path),
        lambda path: save_file({"weights": _LARGE}, path),
        lambda path: path.write_bytes(bytes(1 << 17)),
    ],
)
def test_a_full_disk_names_what_could_not_be_written(tmp_path, small_files, write):
    for atomic, inner in ((atomic_file, ""), (atomic_folder, "file")):
        with pytest.raises(OSError, match="File too large") as raised, atomic(tmp_path / "it") as part:
            write(part / inner)
        assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "it"))
        assert not list(tmp_path.iterdir())


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), atomic_folder(tmp_path / "it"):
        raise RuntimeError("shapes")
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "it"):
        (tmp_path / "none").read_text()


def test_what_a_killed_process_has_left_goes_with_the_next_and_nothing_else(tmp_path):
    (tmp_path / ".it.mine").mkdir()
    assert subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "it")], check=False).returncode == 9
    (left,) = [path for path in tmp_path.iterdir() if path.name != ".it.mine"]
    with atomic_folder(tmp_path / "it") as part:
        assert not left.exists()
        with atomic_folder(tmp_path / "it"):  # of a process that lives
            assert part.is_dir()
        (tmp_path / "it").rmdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".it.mine", "it"]
