"""`soup` as a user drives it, on tiny runs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from sklearn.metrics import f1_score

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import read_run

TINY = [
    "--report=false", "--model.weights=none", "--model.lr=0.01", "--data.batch_size=8",
    "--data.threads=2", "--trainer.accelerator=cpu",
    "--trainer.max_epochs=2", "--trainer.enable_progress_bar=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory, petals_root):
    """Folders of two seeds of one backbone, and of another head."""
    folder = tmp_path_factory.mktemp("soup") / "runs"
    for name, flags in {
        "a": ["--seed_everything=0"],
        "b": ["--seed_everything=1"],
        "wide": ["--model.hidden=[8]"],
    }.items():
        backbone = "--model.backbone=test_resnet"
        place = [f"--runs_dir={folder}", f"--name={name}", f"--data.root={petals_root}"]
        assert main(["fit", *TINY, backbone, *flags, *place]) == 0
    return folder


def soup(runs, *args):
    return main(
        ["soup", *args, f"--runs_dir={runs}", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    )


def weights(folder):
    return torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]


def test_a_uniform_soup_is_the_mean_and_reads_as_a_run(runs, capsys):
    assert soup(runs, str(runs / "a"), str(runs / "b"), "--method=uniform", "--name=uniform") == 0
    said = capsys.readouterr().out
    one, two, mixed = (weights(runs / name) for name in ("a", "b", "uniform"))
    for name, tensor in mixed.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, (one[name] + two[name]) / 2, atol=1e-6), name
    summary = json.loads((runs / "uniform/summary.json").read_text())
    val = Predictions.load(runs / "uniform/predictions/val.npz", labelled=True)
    assert val.labels is not None
    wanted = f1_score(val.labels, val.probabilities.argmax(1), average="macro", labels=range(4), zero_division=0)  # pyright: ignore[reportArgumentType]
    assert summary["best"]["val_macro_f1"] == pytest.approx(wanted, abs=1e-6)
    assert summary["soup"]["macro_f1"] == pytest.approx(wanted, abs=1e-6)
    assert f"{wanted:.4f}" in said
    assert main(["validate", f"--run={runs / 'uniform'}", "--trainer.accelerator=cpu"]) == 0
    assert main(["compare", str(runs / "a"), str(runs / "uniform")]) == 0
    assert (runs / "uniform/submission.csv").is_file()


def test_pseudo_labels_of_any_run_mark_the_soup(runs, tmp_path, capsys):
    taught = shutil.copytree(runs / "b", tmp_path / "taught")
    summary = json.loads((taught / "summary.json").read_text())
    summary["data"]["pseudo_labelled"] = 3
    (taught / "summary.json").write_text(json.dumps(summary))
    assert soup(runs, str(runs / "a"), str(taught), "--method=uniform", "--name=marked") == 0
    assert read_run(runs / "marked").data.pseudo_labelled == 3
    assert "submission.csv (trained on 3 pseudo-labels of test)" in capsys.readouterr().out


def test_a_greedy_soup_is_never_worse_than_its_best_run(runs):
    assert soup(runs, str(runs / "a"), str(runs / "b"), "--name=greedy") == 0
    summary = json.loads((runs / "greedy/summary.json").read_text())
    assert summary["soup"]["macro_f1"] >= max(summary["soup"]["singles"].values()) - 1e-9
    members = [weights(Path(member["path"])) for member in summary["members"]]
    for name, tensor in weights(runs / "greedy").items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, torch.stack([one[name] for one in members]).mean(0), atol=1e-6), name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give two runs or more"),
        (["a"], "has not kept epochs, as fit --save_top_k=3 does: give two runs or more"),
        (["a", "a"], "given twice"),
        (["a", "wide"], "another head or number of classes"),
        (["a", "nowhere"], "no such folder"),
    ],
)
def test_runs_that_cannot_be_averaged_are_refused_in_a_line(runs, given, said, capsys):
    assert soup(runs, *(str(runs / name) for name in given)) == MISUSED
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert said in err[0]
    assert not (runs / "soup").exists()


def test_the_best_epochs_of_a_run_are_kept_and_make_a_soup(petals_root, tmp_path, capsys):
    flags = [*TINY, "--model.backbone=test_resnet", f"--data.root={petals_root}", f"--runs_dir={tmp_path}"]
    two = ["--save_top_k=2", "--name=one", "--predict=false"]
    assert main(["fit", *flags, *two]) == 0
    assert main(["fit", f"--resume={tmp_path / 'one'}", "--trainer.max_epochs=5", "--report=false"]) == 0
    scores = {epoch.epoch: epoch.val_macro_f1 or 0.0 for epoch in read_run(tmp_path / "one").history}
    best = sorted(sorted(scores, key=lambda epoch: -scores[epoch])[:2])
    files = [tmp_path / f"one/checkpoints/epoch-{epoch}.ckpt" for epoch in best]
    assert sorted((tmp_path / "one/checkpoints").glob("epoch-*")) == files
    kept = [torch.load(file, weights_only=True) for file in files]
    assert "optimizer_states" not in kept[0]
    capsys.readouterr()
    assert soup(tmp_path, str(tmp_path / "one"), "--method=uniform") == 0
    assert "expect less on others" in capsys.readouterr().out
    for name, tensor in weights(tmp_path / "soup").items():
        if tensor.is_floating_point():
            assert torch.allclose(
                tensor, torch.stack([each["state_dict"][name] for each in kept]).mean(0), atol=1e-6
            ), name
    summary = json.loads((tmp_path / "soup/summary.json").read_text())
    assert list(summary["soup"]["singles"].values()) == pytest.approx([scores[epoch] for epoch in best], abs=1e-5)
    assert [member["path"] for member in summary["members"]] == list(map(str, files))


@pytest.mark.parametrize(
    ("of", "told"), [(0, "(other records)"), (1, "with other content")], ids=["names and sizes", "labels"]
)
def test_other_val_records_are_refused(runs, capsys, tmp_path, of, told):
    other = shutil.copytree(runs / "b", tmp_path / "other")
    summary = json.loads((other / "summary.json").read_text())
    parts = summary["data"]["fingerprints"]["val"].split("-")
    summary["data"]["fingerprints"]["val"] = "-".join("another" if n >= of else part for n, part in enumerate(parts))
    (other / "summary.json").write_text(json.dumps(summary))
    assert soup(runs, str(runs / "a"), str(other)) == MISUSED
    assert told in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused(runs, capsys, tmp_path):
    other = shutil.copytree(runs / "b", tmp_path / "other")
    (other / "checkpoints/best.ckpt").write_bytes(b"PK no archive")
    assert soup(runs, str(runs / "a"), str(other)) == MISUSED
    assert "not a checkpoint" in capsys.readouterr().err


def test_a_value_without_its_equals_sign_is_not_taken_for_a_run(capsys):
    assert main(["soup", "a", "b", "--data.root", "petals"]) == MISUSED
    assert "soup: --data.root petals: flags of data and trainer take their values with =" in capsys.readouterr().err
