"""A label leak planted in the photographs is found, and told, and nothing is chosen by it."""

import numpy as np
import pytest
import simplejpeg

from lightning_flowers.__main__ import main
from lightning_flowers.compete.leaks import NONE, Leaks, read_leaks
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.tfrecord.writer import Record, write_shard


@pytest.fixture(scope="module")
def leaky_root(make_petals, tmp_path_factory):
    """Petals of whose val pictures three stand in train too, under their labels, encoded anew and a little brighter."""
    root = make_petals(tmp_path_factory.mktemp("leaky") / "petals")
    val = open_source(root).open("val", 32)
    copies = []
    for position in (1, 4, 6):
        picture = np.minimum(val[position].picture.astype(np.int64) + 8, 255).astype(np.uint8)
        copies.append(Record(simplejpeg.encode_jpeg(picture, 75), val.label(position), f"copy{position}"))
    write_shard(root / "tfrecords-jpeg-32x32" / "train" / "03-32x32-3.tfrec", copies)
    return root


@pytest.fixture(scope="module")
def found(leaky_root, tmp_path_factory):
    """What `records stats` found in them."""
    out = tmp_path_factory.mktemp("stats") / "out"
    assert main(["records", "stats", str(leaky_root), f"--out={out}"]) == 0
    return out / "duplicates.csv"


def test_val_pictures_among_those_of_train_are_found(leaky_root, found):
    leaks = read_leaks(found, folded=False)
    assert leaks.pairs == {"train and val": 3}
    assert leaks.scored == {"val0001", "val0004", "val0006"}
    assert leaks.describe().startswith("3 pairs of pictures in train and val")
    assert read_leaks(found, folded=True).scored == leaks.scored | {"copy1", "copy4", "copy6"}


def test_nothing_is_chosen_or_scored_by_leaked_records():
    ids = np.array(["a", "b", "c", "d", "e"])
    kept, told = Leaks({}, frozenset({"b", "c", "x"})).keep(ids)
    assert ids[kept].tolist() == ["a", "d", "e"]
    assert told.startswith("2 records were left out")
    assert NONE.keep(ids)[1] == ""


def test_where_most_of_val_leaks_all_scores_are_said_to_deceive():
    kept, told = Leaks({}, frozenset("abc")).keep(np.array(["a", "b", "c", "d"]))
    assert len(kept) == 4
    assert told == "3 of 4 records have their like among what was trained on: all scores deceive."


def test_without_a_check_nothing_is_known(tmp_path):
    assert read_leaks(tmp_path / "duplicates.csv", folded=False) == NONE
