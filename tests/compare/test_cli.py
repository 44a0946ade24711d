import csv
import errno
from pathlib import Path

import pytest
from PIL import Image

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.compare.cli import LEFT_OUT


def test_runs_are_compared_and_written(compare, make_run, tables, tmp_path):
    status, out, err = compare(make_run("a"), make_run("b", seed=1), f"--out={tmp_path / 'new' / 'out'}")
    assert (status, err) == (0, "")
    written = tmp_path / "new" / "out"
    assert sorted(path.name for path in written.iterdir()) == ["compare.csv", "compare.md", "compare.png"]
    text, _, last = out.rpartition("\nwritten: ")
    assert tables((written / "compare.md").read_text("utf-8"))[0][0]["seeds"] == "0, 1"
    assert last == f"{written / 'compare.md'}, .csv and .png\n"
    assert max(map(len, text.splitlines())) <= 100


def test_a_terminal_shows_what_it_has_room_for_and_which_runs_a_row_has(compare, make_run):
    paths = [make_run(f"densenet201-seed{seed}", seed=seed) for seed in (0, 1, 2)]
    marked = make_run("marked", data={"external": None, "bad_records": {"val": ["a"], "train": ["b"]}})
    out = compare(*paths, make_run("other", seed=3), marked)[1]
    lines = out.splitlines()
    assert lines[2].split() == ["run", "accuracy", "macro", "F1", "s/epoch", "data"]
    row = " ".join(lines[4:7])
    assert all(name in row for name in ("densenet201-seed0, ", "densenet201-seed1, ", "densenet201-seed2, ", "(seed3)"))
    assert lines[4].endswith("0.9500 ± 0.0000  0.9400 ± 0.0000  60.0 ± 0.0  clean")
    assert "M param." not in out
    assert max(map(len, lines)) <= 100


def test_older_files_are_replaced_and_others_stay(compare, make_run, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("compare.md", "mine.txt"):
        (tmp_path / "out" / name).write_text("old")
    assert compare("--out", tmp_path / "out", make_run("a"))[0] == 0
    assert (tmp_path / "out" / "compare.md").read_text("utf-8").startswith("## 512 px")
    assert (tmp_path / "out" / "mine.txt").read_text() == "old"


def test_without_out_nothing_is_written(compare, make_run, tmp_path, monkeypatch):
    path = make_run("a")
    monkeypatch.chdir(tmp_path / "runs")
    assert compare("a")[0] == 0
    assert sorted(file.name for file in path.parent.iterdir()) == ["a"]


def test_what_is_no_run_is_left_out_and_told(compare, make_run, tmp_path):
    good, damaged, empty = make_run("good"), make_run("damaged"), tmp_path / "empty"
    (damaged / "summary.json").write_text('{"status":')
    empty.mkdir()
    status, out, err = compare(good, damaged, empty, tmp_path / "none", good)
    assert status == LEFT_OUT
    assert err == "lightning_flowers: left out 4 of 5: see the end of the tables\n"
    assert "good " in out
    lines = out.partition("## Left out\n\n")[2].splitlines()
    assert len(lines) == 4
    for line, said in zip(
        lines, ("summary.json: damaged", "no summary.json in it", "no such folder", "given twice"), strict=True
    ):
        assert said in line


def test_rows_that_cannot_be_drawn_are_counted(compare, make_run, tmp_path):
    out = compare(make_run("a", epochs=1), make_run("b.json"), f"--out={tmp_path / 'out'}")[1]
    assert "; 1 without accuracy or seconds per epoch cannot be drawn" in out


def test_an_interrupted_an_unvalidated_and_an_old_run_are_listed(compare, make_run, tables, tmp_path):
    cut = make_run("cut", status="running", epochs=0, best=None, seconds_per_epoch=None)
    (cut / "metrics.csv").write_text("epoch,val_accuracy,val_macro_f1,seconds\n1,0.5,0.4,90\n2,0.7,0.6,50\n")
    final = make_run("final", data={"train_on": "train+val", "fingerprints": {"train": "z"}}, best=None)
    old = make_run("old")
    (old / "summary.json").write_text(
        '{"status": "finished", "backbone": "old", "best": {"epoch": 1, "val_loss": NaN}}'
    )
    status, _, err = compare(cut, final, old, f"--out={tmp_path / 'out'}")
    assert (status, err) == (0, "")
    written = (tmp_path / "out" / "compare.md").read_text("utf-8")
    shown = {row["runs"]: row for table in tables(written)[:3] for row in table}
    assert (shown["cut"]["accuracy"], shown["cut"]["s/epoch"]) == ("0.7000", "50.0")
    assert shown["cut"]["data"] == "clean; running or killed, 2 of 20 epochs"
    assert shown["final"]["data"] == "clean; no validation; not comparable"
    assert shown["final"]["macro F1"] == shown["old"]["val loss"] == shown["old"]["s/epoch"] == "-"
    assert "val_loss is no number" in shown["old"]["data"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "compare: give run folders, such as runs/*"),
        (["none"], "compare: none: no such folder"),
        (["none", "."], "compare: none: no such folder; .: no summary.json in it"),
        (["--json", "a"], "unrecognized arguments: --json (see compare --help)"),
        (["--out"], "argument --out: expected one argument"),
        (["--out=file", "a"], "--out=file: is a file: give a folder"),
    ],
)
def test_mistakes_are_one_line(compare, tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    status, out, err = compare(*args)
    assert (status, out, len(err.splitlines())) == (MISUSED, "", 1)
    assert said in err


def test_a_folder_that_may_not_be_read_is_left_out(compare, make_run, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    good, locked = make_run("good"), make_run("locked")
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda p, *a: (refuse if p.parent == locked else read_text)(p, *a))
    status, out, _ = compare(good, locked)
    assert status == LEFT_OUT
    assert f"- {locked / 'summary.json'}: cannot be read: Permission denied" in out


def test_a_link_to_itself_is_no_folder(compare, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert compare(tmp_path / "loop")[2].endswith("loop: no such folder\n")


@pytest.mark.slow
def test_runs_as_fit_leaves_them_are_compared(compare, petals_root, tables, tmp_path):
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.accelerator=cpu"]
    quiet = ["--trainer.max_epochs=2", "--trainer.enable_progress_bar=false", f"--runs_dir={tmp_path / 'runs'}"]
    for seed in (0, 1):
        one = [f"--name=s{seed}", f"--seed_everything={seed}", f"--data.root={petals_root}"]
        assert main(["fit", *flags, *quiet, *one]) == 0
    status, _, err = compare(*sorted((tmp_path / "runs").iterdir()), f"--out={tmp_path / 'out'}")
    assert (status, err) == (0, "")
    out = (tmp_path / "out" / "compare.md").read_text("utf-8")
    (row,) = tables(out)[0]
    assert (row["model"], row["seeds"], row["runs"], row["data"]) == ("test_resnet", "0, 1", "s0, s1", "clean")
    assert out.startswith("## 32 px, 40 train and 12 val records of 4 classes\n")
    best = [max(float(line["val_macro_f1"]) for line in _metrics(tmp_path / "runs" / name)) for name in ("s0", "s1")]
    assert float(row["macro F1"].split(" ± ")[0]) == pytest.approx(sum(best) / 2, abs=1e-4)
    with Image.open(tmp_path / "out" / "compare.png") as picture:
        assert picture.width > 500


def _metrics(run):
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
