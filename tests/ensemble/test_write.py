import errno

import pytest

from lightning_flowers.__main__ import MISUSED
from lightning_flowers.ensemble import write
from lightning_flowers.run.folder import RunFolder


def test_a_full_disk_leaves_nothing_half_made(ensemble, make_run, monkeypatch, tmp_path):
    def fail(self, values):
        raise OSError(errno.ENOSPC, "No space left on device", str(self.summary))

    runs = make_run("a"), make_run("b", 1)
    monkeypatch.setattr(RunFolder, "write_summary", fail)
    status, out, err = ensemble(*runs)
    assert (status, out, len(err.splitlines())) == (MISUSED, "", 1)
    assert "No space left on device" in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["a", "b"]


def test_older_blends_stay(ensemble, make_run, tmp_path):
    runs = make_run("a"), make_run("b", 1)
    for name in ("ensemble", "ensemble-2"):
        assert f"{name}/submission.csv" in ensemble(*runs)[1]
    assert (tmp_path / "runs" / "ensemble" / "summary.json").is_file()


@pytest.mark.parametrize("external", [False, True])
def test_the_command_that_sends_it_is_told(ensemble, make_run, monkeypatch, external):
    monkeypatch.setattr(write.submission, "how_to_send", lambda path, classes, root, message: f"send {message}")
    out = ensemble(make_run("a"), make_run("b", 1, data={"external": external}))[1]
    assert f"\nsend it    send ensemble{', external data' if external else ''}\n" in out
