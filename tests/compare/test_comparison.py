import csv

import numpy as np
import pytest

from lightning_flowers.compare.comparison import figure, to_csv, to_markdown
from lightning_flowers.compare.groups import group_runs
from lightning_flowers.compare.rows import Figure
from lightning_flowers.run.results import read_run

ACCURACIES = [0.931, 0.95, 0.944]
STUDY = {
    "model": "DenseNet201 (the study)", "M param.": "-", "depth": "-", "trained": "whole", "px": "512", "epochs": "20",
    "val loss": "0.2671", "accuracy": "0.9434", "macro F1": "-", "s/epoch": "68.0", "first epoch s": "-",
    "compile s": "-", "images/s": "-", "hardware": "TPU v3-8", "data": "same records", "seeds": "-", "runs": "-",
}  # fmt: skip


@pytest.fixture
def groups(make_run):
    """Three seeds of one run, and one on external data."""
    best = {"epoch": 17, "val_loss": 0.25, "val_macro_f1": 0.94}
    paths = [
        make_run(f"s{seed}", seed=seed, best={**best, "val_accuracy": accuracy})
        for seed, accuracy in enumerate(ACCURACIES)
    ]
    external = make_run("more", data={"external": True}, hardware={"device": "a | b"})
    return group_runs(map(read_run, [*paths, external]))


def test_the_table_has_our_figures_and_the_studys_beside_them(groups, tables):
    ours, study = tables(to_markdown(groups, []))[0]
    assert ours == {
        "model": "densenet201", "M param.": "18.3", "depth": "201", "trained": "whole", "px": "512", "epochs": "20",
        "val loss": "0.2500 ± 0.0000", "accuracy": f"{np.mean(ACCURACIES):.4f} ± {np.std(ACCURACIES, ddof=1):.4f}",
        "macro F1": "0.9400 ± 0.0000", "s/epoch": "60.0 ± 0.0", "first epoch s": "180.0 ± 0.0",
        "compile s": "120.5 ± 0.0", "images/s": "212.6 ± 0.0", "hardware": "8 x core of TPU v5e, bf16-mixed",
        "data": "clean", "seeds": "0, 1, 2", "runs": "s0, s1, s2",
    }  # fmt: skip
    assert study == STUDY


def test_headings_say_what_is_compared(groups):
    headings = [line for line in to_markdown(groups, []).splitlines() if line.startswith("#")]
    data = "512 px, 12,753 train and 3,712 val records of 104 classes"
    assert headings == [
        f"## {data}",
        f"## Not comparable with the first table: {data}, external data",
        "## The same backbone on different hardware",
    ]


def test_hardware_is_lined_up_in_a_table_of_its_own(groups, tables):
    shown = tables(to_markdown(groups, []))[-1]
    assert [(row["hardware"], row["batch"], row["s/epoch"], row["times as fast"], row["runs"]) for row in shown] == [
        ("TPU v3-8 (the study)", "-", "68.0", "1.0", "-"),
        ("8 x core of TPU v5e, bf16-mixed", "128", "60.0 ± 0.0", "1.1", "s0, s1, s2"),
    ]


def test_one_kind_of_hardware_is_said_to_be_no_comparison(make_run, tables):
    text = to_markdown(group_runs([read_run(make_run("a", backbone="x", timm_name="x"))]), [])
    assert len(tables(text)) == 1
    assert "different hardware" not in text


def test_runs_of_one_name_are_told_apart_by_their_paths(make_run, tables):
    paths = [make_run(f"{place}/same", backbone=place) for place in ("here", "there")]
    shown = tables(to_markdown(group_runs(map(read_run, paths)), []))[0]
    assert [row["runs"] for row in shown if row["runs"] != "-"] == [str(path) for path in paths]


def test_what_is_left_out_is_listed(groups):
    assert to_markdown(groups, ["a: no such folder", "b: damaged"]).endswith(
        "\n## Left out\n\n- a: no such folder\n- b: damaged\n"
    )


def test_the_csv_has_all_rows_and_numbers_in_full(groups):
    ours, study, external, _ = csv.DictReader(to_csv(groups).splitlines())
    assert float(ours["val_accuracy"]) == pytest.approx(np.mean(ACCURACIES))
    assert float(ours["val_accuracy_std"]) == pytest.approx(np.std(ACCURACIES, ddof=1))
    assert (ours["source"], ours["seeds"], ours["parameters"]) == ("ours", "0; 1; 2", "18292712")
    assert [name.rsplit("/", 1)[1] for name in ours["runs"].split("; ")] == ["s0", "s1", "s2"]
    assert (study["source"], study["val_loss"], study["val_macro_f1"], study["runs"]) == ("study", "0.2671", "", "")
    assert external["group"] == "2"
    assert external["data"].endswith(", external data")
    assert external["hardware"] == "8 x a | b, bf16-mixed"


def test_figures_have_their_standard_deviation():
    assert figure(Figure(0.94126, 0.00349), 4) == "0.9413 ± 0.0035"
    assert figure(Figure(0.94126), 2) == "0.94"
    assert figure(None, 2) == "-"
