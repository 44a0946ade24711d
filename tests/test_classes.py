"""A run that meets data, or other runs, whose classes stand in another order, or are others."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.run.predictions import Predictions
from tests.shards import write_split

TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.lr=0.01", "--data.batch_size=8",
    "--data.threads=2", "--data.cache=none", "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false", "--trainer.max_epochs=4",
]  # fmt: skip
NAMES = [f"flower {label}" for label in range(4)]
TURNED = [NAMES[1], NAMES[2], NAMES[3], NAMES[0]]


def in_order(source, root, names):
    """The same pictures with their classes in another order, as another tool may have written them."""
    root.mkdir()
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    label_of = [names.index(name) for name in NAMES]
    for split in ("train", "val", "test"):
        found = open_source(source).open(split, 32)
        labels = [None if split == "test" else label_of[label] for label in found.labels.tolist()]
        records = [
            Record(bytes(found.image_bytes(position)), label, identity)
            for position, (label, identity) in enumerate(zip(labels, found.ids.tolist(), strict=True))
        ]
        write_split(root / "tfrecords-jpeg-32x32" / split, 32, records, 2)
    for name in ("test_labels.csv", "sample_submission.csv"):
        rows = list(csv.DictReader((source / name).read_text().splitlines()))
        lines = [f"{row['id']},{label_of[int(row['label'])]}" for row in rows]
        (root / name).write_text("\n".join(["id,label", *lines]) + "\n")
    return root


@pytest.fixture(scope="session")
def turned_root(tmp_path_factory, petals_root):
    return in_order(petals_root, tmp_path_factory.mktemp("turned") / "petals", TURNED)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, petals_root, turned_root):
    """Two runs: `one` on the petals, `turned` on the same with their classes in another order."""
    runs = tmp_path_factory.mktemp("runs")
    for name, root in (("one", petals_root), ("turned", turned_root)):
        assert main(["fit", *TINY, f"--data.root={root}", f"--runs_dir={runs}", f"--name={name}"]) == 0
    return runs


@pytest.fixture
def run(trained, tmp_path, monkeypatch, capsys):
    """`run(*args)` in a folder with copies of the runs; gives status, output and errors."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "runs")

    def run(*args):
        status = main([*map(str, args)])
        return status, *capsys.readouterr()

    return run


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def scores_in(text):
    """What a command has printed of scores, the loss left out: its last digit may differ."""
    return text[text.index("accuracy") :].splitlines()[0]


def labels_in(path):
    return {row["id"]: int(row["label"]) for row in csv.DictReader(path.read_text().splitlines())}


def assert_refused(result, *said):
    status, _, err = result
    assert status == MISUSED
    assert len(err.splitlines()) == 1, err
    for part in said:
        assert part in err


def test_scores_are_the_same_whatever_the_order_of_the_classes(run, petals_root, turned_root):
    commands = (["validate"], ["test", "--data.test_labels={}/test_labels.csv"])
    for command in commands:
        found = []
        for root in (petals_root, turned_root):
            flags = [part.format(root) for part in command]
            status, out, err = run(*flags, "--run=runs/one", f"--data.root={root}")
            assert status == 0, err
            found.append(out)
        assert scores_in(found[0]) == scores_in(found[1])
        assert "in another order: mapped by name" in found[1]
        assert "mapped" not in found[0]


def test_predictions_and_the_submission_are_in_the_datas_own_order(run, tmp_path, turned_root):
    one, out = tmp_path / "runs/one", tmp_path / "out"
    assert run("predict", f"--run={one}", f"--data.root={turned_root}", "--out=out")[0] == 0
    for split in ("val", "test"):
        before, after = (Predictions.load(folder / f"predictions/{split}.npz") for folder in (one, out))
        order = [NAMES.index(name) for name in TURNED]
        sorter = [before.ids.tolist().index(identity) for identity in after.ids]
        np.testing.assert_allclose(after.probabilities, before.probabilities[sorter][:, order], atol=1e-6)
    first, mapped = labels_in(one / "submission.csv"), labels_in(out / "submission.csv")
    assert {key: NAMES[label] for key, label in first.items()} == {key: TURNED[label] for key, label in mapped.items()}
    assert summary_of(out)["data"]["class_names"] == TURNED
    assert summary_of(out)["best"]["val_accuracy"] == pytest.approx(summary_of(one)["best"]["val_accuracy"])


def test_a_run_is_not_gone_on_with_nor_overwritten_in_another_order(run, tmp_path, petals_root, turned_root):
    resumed = ["fit", "--resume=runs/one", "--trainer.max_epochs=5"]
    assert_refused(run(*resumed, f"--data.root={turned_root}"), "in another order: a run goes on with the same")
    assert_refused(run("predict", "--run=runs/one", f"--data.root={turned_root}"), "in another order: give --out")
    moved = shutil.copytree(petals_root, tmp_path / "moved")  # its shards stay as they are
    (moved / "classes.txt").write_text("".join(f"{name}\n" for name in TURNED), encoding="utf-8")
    assert_refused(run(*resumed, f"--data.root={moved}"), "in another order: a run goes on with the same")


@pytest.mark.parametrize("names", [["Flower 0", *NAMES[1:]], ["flower 4", *NAMES[1:]], [*NAMES, "flower 4"]])
@pytest.mark.parametrize("command", ["validate", "predict", "fit"])
def test_other_names_are_refused(run, tmp_path, petals_root, names, command):
    other = shutil.copytree(petals_root, tmp_path / "other")
    (other / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    flags = {"validate": ["--run=runs/one"], "predict": ["--run=runs/one", "--out=out"], "fit": ["--resume=runs/one"]}
    result = run(command, *flags[command], f"--data.root={other}")
    assert_refused(result, str(other), "has other classes than runs/one", repr(names[0 if len(names) == 4 else 4]))
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_by_itself_knows_its_classes(run, tmp_path, turned_root):
    alone = shutil.copyfile(tmp_path / "runs/one/checkpoints/best.ckpt", tmp_path / "alone.ckpt")
    flags = ["validate", "--config=runs/one/config.yaml", f"--ckpt_path={alone}", f"--data.root={turned_root}"]
    status, out, err = run(*flags)
    assert status == 0, err
    assert scores_in(out) == scores_in(run("validate", "--run=runs/one")[1])


def test_of_a_checkpoint_without_names_only_the_number_of_classes_is_compared(run, tmp_path, turned_root, recwarn):
    path = tmp_path / "runs/one/checkpoints/best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["class_names"]
    torch.save(checkpoint, path)
    alone = ["validate", "--config=runs/one/config.yaml", f"--ckpt_path={path}"]
    status, _, err = run(*alone)
    assert status == 0
    assert "does not name its classes: only their number is compared" in err


@pytest.mark.parametrize("tool", ["ensemble", "soup"])
def test_runs_of_another_order_are_not_mixed(run, tool):
    assert_refused(run(tool, "runs/one", "runs/turned"), "turned: has other classes than", "another order")


def test_runs_of_other_classes_stand_apart(run, tmp_path):
    summary = summary_of(tmp_path / "runs/one")
    summary["data"]["class_names"] = ["rose", *NAMES[1:]]
    shutil.copytree(tmp_path / "runs/one", tmp_path / "runs/other")
    (tmp_path / "runs/other/summary.json").write_text(json.dumps(summary))
    status, out, _ = run("compare", "runs/one", "runs/other")
    assert status == 0
    assert "but other ones" in " ".join(out.split())
