"""The table of options: what is drawn, how it goes on, and what is told of differences."""

import subprocess

import numpy as np
import pytest
import scipy.stats

from lightning_flowers.cli.parser import make_parser
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.run.epochs import Epoch
from lightning_flowers.run.results import Hardware, Run

from . import ablation
from .rows import read


def scored(changed="", seed=0, macro_f1=0.85, **others):
    known = {
        "accuracy": 0.9,
        "cpu_seconds": 60,
        "device": "a CPU",
        "versions": "torch 1, timm 1",
        "photographs": "drawn",
    }
    return ablation.Scored(changed=changed, seed=seed, macro_f1=macro_f1, **{**known, **others})


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The runs that are asked for, in place of trained ones."""
    asked = []

    def run(changed, seed, seconds, made):
        asked.append((changed, seed))
        epochs = (Epoch(epoch=0, val_macro_f1_present=0.9, val_accuracy=0.9), last)
        return Run(path=tmp_path, history=epochs, hardware=Hardware(device="a CPU")), 60.0, 60.0

    last = Epoch(epoch=1, val_macro_f1_present=0.8, val_accuracy=0.85)
    monkeypatch.setattr(ablation, "versions", lambda: {"torch": "1", "timm": "1", "python": "3"})
    monkeypatch.setattr(ablation, "draw", lambda source, target, is_imbalanced: "drawn")
    monkeypatch.setattr(ablation, "open_source", lambda root: None)
    monkeypatch.setattr(ablation, "run", run)
    monkeypatch.setenv("BENCH_ROOT", str(tmp_path))
    return asked


@pytest.fixture
def few(tmp_path):
    """A protocol of two rows, and an empty table."""
    return ablation.HARD._replace(table=tmp_path / "ablation.csv", variants=("", "model.mixup=0.2"))


def test_so_many_photographs_of_each_class_are_drawn_the_same_each_time():
    labels = np.repeat([3, 5, 7], [40, 12, 5])
    counts = ablation.wanted(labels, is_imbalanced=False)
    chosen = ablation.drawn(labels, counts)
    assert np.bincount(labels[chosen]).tolist() == [0, 0, 0, 12, 0, 12, 0, 5]
    assert chosen.tolist() == sorted(set(chosen)) == ablation.drawn(labels, counts).tolist()


def test_unlike_classes_are_as_unlike_as_the_competitions():
    assert (len(ablation.COMPETITION), sum(ablation.COMPETITION)) == (104, 12753)
    labels = np.repeat(np.arange(104), 90)
    counts = ablation.wanted(labels, is_imbalanced=True)
    assert sorted(counts.values()) == sorted(round(count * 80 / 782) for count in ablation.COMPETITION)
    few = ablation.wanted(np.repeat([3, 5, 7], [40, 100, 5]), is_imbalanced=True)
    assert (few[5], few[7]) == (80, 2)  # the class that has most gets most
    assert 2 < few[3] < 80


def test_photographs_are_drawn_into_shards_of_the_protocols_size(make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", size=192, train=40, val=6, test=4, shards=1)
    first = ablation.draw(open_source(root), tmp_path / "hard")
    made, source = open_source(tmp_path / "hard"), open_source(root)
    train, val = made.open("train", 160), made.open("val", 160)
    assert (made.classes, train[0].picture.shape) == (source.classes, (160, 160, 3))
    assert val.labels.tolist() == source.open("val", 192).labels.tolist()
    assert set(train.ids) <= set(source.open("train", 192).ids)
    assert not made.has("test", 160)
    assert ablation.draw(open_source(root), tmp_path / "hard") == first


def test_all_rows_have_a_seed_before_any_has_the_next_and_the_last_epoch_counts(runs, few):
    for rows in ablation.make(10, [0, 1], few):
        ablation.write(rows, few)
    assert runs == [("", 0), ("model.mixup=0.2", 0), ("", 1), ("model.mixup=0.2", 1)]
    written = read(few.table, ablation.Scored)
    assert [(row.changed, row.seed) for row in written] == runs
    assert written[0] == scored(macro_f1=0.8, accuracy=0.85)


def test_a_table_goes_on_where_it_was_but_not_with_other_versions_or_photographs(runs, few):
    ablation.write(
        [scored(), scored("model.mixup=0.2", versions="torch 0, timm 1"), scored(seed=1, photographs="other")], few
    )
    for rows in ablation.make(10, [0, 1], few):
        ablation.write(rows, few)
    assert runs == [("model.mixup=0.2", 0), ("", 1), ("model.mixup=0.2", 1)]


def test_the_default_is_run_beside_what_is_asked_for(runs, few):
    list(ablation.make(10, [0], few._replace(variants=("", "model.cutmix=1", "model.mixup=0.2")), only="mixup"))
    assert runs == [("", 0), ("model.mixup=0.2", 0)]


def test_no_run_is_begun_that_the_minutes_would_not_do_for(runs, few):
    assert len(list(ablation.make(0.9, [0, 1], few))) == 1


def test_a_run_that_fails_does_not_stop_the_others(runs, few, monkeypatch, capsys):
    works = ablation.run

    def fails(changed, seed, seconds, made):
        if changed:
            raise subprocess.CalledProcessError(1, ["fit", changed])
        return works(changed, seed, seconds, made)

    monkeypatch.setattr(ablation, "run", fails)
    assert [row.seed for row in list(ablation.make(10, [0, 1], few))[-1]] == [0, 1]
    assert "left out of this call: fit model.mixup=0.2" in capsys.readouterr().err


def test_differences_are_paired_by_seed_and_tested():
    gains = {"model.mixup=0.2": [0.020, 0.021, 0.022], "model.cutmix=1": [-0.010, 0.012, 0.001]}
    base = [0.80, 0.85, 0.90]
    rows = [scored(seed=seed, macro_f1=f1) for seed, f1 in enumerate(base)]
    rows += [scored(name, seed, base[seed] + gain) for name, of in gains.items() for seed, gain in enumerate(of)]
    chances = [scipy.stats.ttest_rel(base, np.add(base, of)).pvalue for of in gains.values()]
    expected = scipy.stats.false_discovery_control(chances)
    lines = ablation.markdown(rows, ablation.HARD).splitlines()
    assert lines[2] == "| the default | 3 | 0.8500 | 0.0500 |  |  | 0.9000 | 60 |"
    assert lines[3] == f"| `model.mixup=0.2` | 3 | 0.8710 | 0.0510 | +0.0210 | {expected[0]:.2f} | 0.9000 | 60 |"
    assert lines[4].split("|")[5:7] == [" +0.0010 ", f" {expected[1]:.2f}, noise "]


def test_one_seed_is_not_tested_and_the_same_difference_throughout_is_no_evidence():
    assert ablation.adjusted({"a": [0.1]}) == {}
    assert ablation.adjusted({"a": [0.1], "b": [0.0, 0.0]}) == {"b": 1.0}


@pytest.mark.parametrize("of", [ablation.HARD, ablation.IMBALANCED])
def test_every_variant_is_what_fit_takes(of):
    for changed in of.variants:
        make_parser("fit").parse_args([f"--{flag}" for flag in changed.split()])


@pytest.mark.parametrize("of", [ablation.HARD, ablation.IMBALANCED])
def test_the_table_in_the_repository_is_of_the_variants(of):
    rows = read(of.table, ablation.Scored)
    assert {row.changed for row in rows} <= set(of.variants)
    assert len({(row.changed, row.seed) for row in rows}) == len(rows)


@pytest.mark.parametrize("of", [ablation.HARD, ablation.IMBALANCED])
def test_the_table_of_the_readme_is_of_the_file(of):
    readme = of.table.with_name("README.md").read_text("utf-8")
    assert ablation.markdown(read(of.table, ablation.Scored), of) in readme


def test_photographs_that_are_not_there_are_told_of_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_ROOT", str(tmp_path / "none"))
    with pytest.raises(SystemExit, match=r"^BENCH_ROOT: must name .*no such folder"):
        next(ablation.make(1, [0], ablation.HARD))
