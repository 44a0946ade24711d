"""The splits of a run: joined, folded, with external data, and what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_flowers.data.run_splits import Splits
from lightning_flowers.data.sources.competition import Source, open_source
from lightning_flowers.data.splits.split import join
from lightning_flowers.errors import DataError, UserError

MakePetals = Callable[..., Path]
FOLDER = "tfrecords-jpeg-32x32"


@pytest.fixture
def source(petals_root: Path) -> Source:
    return open_source(petals_root)


def damage(path: Path, record: int) -> None:
    """Flip a byte in the middle of a record's picture."""
    split = open_source(path.parents[2]).open(path.parent.name, 32)
    shard = next(shard for shard in split.shards if shard.where == str(path)).records()
    data = bytearray(path.read_bytes())
    data[shard.spans[record].offset + shard.spans[record].length // 2] ^= 0xFF
    path.write_bytes(data)


def test_train_and_val_can_be_trained_on_together(source: Source) -> None:
    splits = Splits(source, 32, "train+val")
    both = splits.open("train")
    parts = [source.open(name, 32) for name in ("train", "val")]
    assert both.ids.tolist() == [identity for part in parts for identity in part.ids.tolist()]
    assert both.labels.tolist() == [label for part in parts for label in part.labels.tolist()]
    assert bytes(both.image_bytes(45)) == bytes(parts[1].image_bytes(5))
    assert not splits.validates
    assert not splits.has("val")
    assert splits.has("test")
    assert splits.label(None, "lite0", 1) == "lite0-trainval-seed1"
    assert splits.label("mine", "lite0", 1) == "mine"


def test_folds_cut_train_and_val_and_leave_test_alone(source: Source) -> None:
    everything = set(Splits(source, 32, "train+val").open("train").ids.tolist())
    seen: list[str] = []
    for fold in range(4):
        splits = Splits(source, 32, folds=4, fold=fold)
        train, val = splits.open("train"), splits.open("val")
        assert set(train.ids.tolist()) | set(val.ids.tolist()) == everything
        assert np.bincount(val.labels).tolist() in ([3, 3, 3, 4], [3, 3, 4, 3], [3, 4, 3, 3], [4, 3, 3, 3])
        assert val.name.endswith(f"train+val, val of fold {fold} of 4")
        seen += val.ids.tolist()
        assert splits.open("test").ids.tolist() == source.open("test", 32).ids.tolist()
    assert sorted(seen) == sorted(everything)


@pytest.mark.parametrize("present", ["train", "val"])
def test_a_data_set_of_one_split_is_trained_on_whole_or_in_folds(
    make_petals: MakePetals, tmp_path: Path, present: str
) -> None:
    source = open_source(make_petals(tmp_path, **({"train": 0, "val": 0, "test": 0} | {present: 20}), shards=1))
    everything = Splits(source, 32, "train+val").open("train").ids.tolist()
    assert everything == source.open(present, 32).ids.tolist()
    folded = Splits(source, 32, folds=5, fold=1)
    assert (folded.has("val"), len(folded.open("train")), len(folded.open("val"))) == (True, 16, 4)


def test_without_val_the_flags_that_do_without_are_named(make_petals: MakePetals, tmp_path: Path) -> None:
    splits = Splits(open_source(make_petals(tmp_path, train=8, val=0, test=0, shards=1)), 32)
    assert not splits.has("val")
    with pytest.raises(DataError, match=r"has no val of 32 px: give --data.train_on=train\+val .*--data.folds=5"):
        splits.open("val")


def test_a_fold_has_a_fingerprint_of_its_own(source: Source) -> None:
    prints = {Splits(source, 32, folds=4, fold=fold).open("val").fingerprint for fold in range(4)}
    assert len(prints) == 4
    assert Splits(source, 32, folds=4, fold=0).open("val").fingerprint in prints


def test_external_shards_are_trained_on_too(source: Source, make_petals: MakePetals, tmp_path: Path) -> None:
    extra = open_source(make_petals(tmp_path, train=6, val=2, test=0, shards=1, seed=1))
    splits = Splits(source, 32, extra=[extra])
    train = splits.open("train")
    assert len(train) == 46
    assert train.name.endswith("train and external data")
    assert bytes(train.image_bytes(41)) == bytes(extra.open("train", 32).image_bytes(1))
    assert len(splits.open("val")) == 12


def test_external_labels_are_mapped_by_the_names_of_the_classes(
    source: Source, make_petals: MakePetals, tmp_path: Path
) -> None:
    extra = make_petals(tmp_path, train=6, val=0, test=0, shards=1, seed=1)
    prints = {Splits(source, 32, extra=[open_source(extra)]).open("train").fingerprint}
    (extra / "classes.txt").write_text("flower 2\nflower 0\nflower 3\nflower 1\n", "utf-8")
    train = Splits(source, 32, extra=[open_source(extra)]).open("train")
    assert train.labels[40:].tolist() == [2, 0, 3, 1, 2, 0]
    assert train.labels[:40].tolist() == source.open("train", 32).labels.tolist()
    assert len(prints | {train.fingerprint}) == 2  # other labels are other data
    assert open_source(extra).open("train", 32).labels.tolist() == [0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 3}, "--data.folds and --data.fold belong together"),
        ({"fold": 0}, "--data.folds and --data.fold belong together"),
        ({"folds": 3, "fold": 3}, "--data.fold=3: must be in 0..2 with --data.folds=3"),
        ({"folds": 3, "fold": -1}, "--data.fold=-1: must be in 0..2"),
        ({"folds": 1, "fold": 0}, "--data.folds=1: must be 2 or more"),
        ({"folds": 0, "fold": 0}, "--data.folds=0: must be 2 or more"),
        ({"folds": 3, "fold": 0, "train_on": "train+val"}, "--data.folds=3: .* goes without --data.train_on"),
    ],
)
def test_settings_that_exclude_each_other_name_their_flags(
    source: Source, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Splits(source, 32, **settings)


def test_more_folds_than_records_are_refused(source: Source) -> None:
    with pytest.raises(UserError, match=r"--data.folds=53: more than the 52 records"):
        Splits(source, 32, folds=53, fold=0).open("val")


def test_external_data_that_do_not_fit_are_refused(source: Source, make_petals: MakePetals, tmp_path: Path) -> None:
    classes = open_source(make_petals(tmp_path / "classes", classes=3, train=3, val=0, test=0, shards=1))
    size = open_source(make_petals(tmp_path / "size", size=48, train=3, val=0, test=0, shards=1))
    test_only = open_source(make_petals(tmp_path / "test", train=0, val=0, test=3, shards=1))
    for other, message in (
        (classes, "has other classes"),
        (size, "has no train shards of 32 px"),
        (test_only, "has no train shards of 32 px"),
        (source, "is the data set itself: leave it out"),
    ):
        with pytest.raises(UserError, match=f"--data.extra_roots: .*{message}"):
            Splits(source, 32, extra=[other])


def test_bad_records_are_known_of_joined_and_folded_splits(make_petals: MakePetals, tmp_path: Path) -> None:
    root = make_petals(tmp_path / "petals", train=150, val=150, test=0, shards=(1, 2, 0))
    damage(root / FOLDER / "val" / "01-32x32-75.tfrec", 4)
    source = open_source(root)
    position = 150 + 75 + 4
    both = Splits(source, 32, "train+val", skip=True).open("train")
    assert list(both.bad) == [position]
    assert "val/01-32x32-75.tfrec: record 4" in str(both.bad[position])
    held = [Splits(source, 32, folds=2, fold=0, skip=True).open(name) for name in ("train", "val")]
    assert sum(len(part.bad) for part in held) == 1
    for part in held:
        assert all(part.labels[bad] == -1 for bad in part.bad)


def test_too_many_bad_records_of_a_fold_are_found_when_it_is_opened(make_petals: MakePetals, tmp_path: Path) -> None:
    root = make_petals(tmp_path / "petals", train=100, val=60, test=0, shards=1)
    shutil.copytree(root, tmp_path / "whole")
    damage(root / FOLDER / "train" / "00-32x32-100.tfrec", 4)
    train, val = (open_source(root).open(name, 32, skip=True) for name in ("train", "val"))
    both = join([train, val], "both")
    with pytest.raises(DataError, match=r"a few: 1 of 10 records cannot be used, more than 1% .*record 4 at byte"):
        both.select(np.arange(10), "a few")
    assert not both.select(np.arange(10, 20), "others").bad
