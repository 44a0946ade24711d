"""Records of test with the labels that a model gave them."""

import numpy as np
import pytest

from lightning_flowers.data.pseudo_labels import with_pseudo_labels
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.errors import DataError


@pytest.fixture
def given(petals_root, tmp_path):
    """Train with what a CSV of these lines says of test."""
    source, path = open_source(petals_root), tmp_path / "test.csv"

    def give(*lines, threshold=0.9):
        path.write_text("\n".join(["id,label,name,probability", *lines]) + "\n", "utf-8")
        train, test = source.open("train", 32), source.open("test", 32)
        return train, test, with_pseudo_labels(train, test, path, threshold, source.classes)

    return give


def test_records_as_probable_follow_those_of_train_with_their_own_pictures(given):
    train, test, both = given("test0003,9,flower 1,0.95", "test0001,9,flower 2,0.9", "test0000,9,flower 0,0.89")
    assert both.labels.tolist() == [*train.labels.tolist(), 2, 1]
    assert both.ids.tolist() == [*train.ids.tolist(), "test0001", "test0003"]
    last, second = both[len(both) - 1], both[1]
    assert (last.label, last.id) == (1, "test0003")
    assert np.array_equal(last.picture, test[test.ids.tolist().index("test0003")].picture)
    assert (second.label, second.id) == (train[1].label, train[1].id)


def test_other_labels_are_another_split(given):
    one, same, other = (given(f"test0003,1,flower {name},0.95")[2].fingerprint for name in (1, 1, 2))
    assert one == same != other


def test_all_that_are_as_probable_as_asked_for(given):
    lines = [f"test000{number},0,flower 0,0.{number}" for number in range(1, 9)]
    train, _, both = given(*lines, threshold=0.5)
    assert len(both) - len(train) == 4


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["test0003,1,flower 1,high"], "not a readable CSV with the columns id, name and probability"),
        (["test0003,1,flower 1"], "not a readable CSV"),
        (["test0003,1,tulip,0.95"], "'tulip' is not one of the data's classes"),
        (["val0003,1,flower 1,0.95"], "1 records are not of .*test, such as val0003"),
        (["test0003,1,flower 1,0.95", "test0003,1,flower 1,0.95"], "an id stands more than once"),
        (["test0003,1,flower 1,0.5"], "no record has a probability of 0.9 or more"),
    ],
)
def test_a_wrong_file_is_named(given, lines, said):
    with pytest.raises(DataError, match=said):
        given(*lines)
