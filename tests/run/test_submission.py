import csv

import numpy as np
import pytest

from lightning_flowers.data.sources.competition import competition_classes
from lightning_flowers.errors import DataError
from lightning_flowers.run import submission
from lightning_flowers.run.predictions import Predictions

PROBABILITIES = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]], np.float32)


def predictions(ids=("a1", "b2"), probabilities=PROBABILITIES):
    return Predictions(np.array(ids), probabilities)


def sample(tmp_path, *ids):
    path = tmp_path / "sample_submission.csv"
    path.write_text("id,label\n" + "".join(f"{identity},0\n" for identity in ids))
    return path


def test_a_submission_has_each_id_once_with_its_most_probable_class(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "KAGGLE_WORKING", tmp_path / "not-kaggle")
    paths = submission.write_submission(tmp_path / "submission.csv", predictions(), sample(tmp_path, "b2", "a1"))
    assert paths == [tmp_path / "submission.csv"]
    assert paths[0].read_bytes() == b"id,label\na1,2\nb2,0\n"
    with paths[0].open() as lines:
        assert len(list(csv.DictReader(lines))) == 2


def test_on_kaggle_a_copy_lies_where_kaggle_looks(tmp_path, monkeypatch):
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.setattr(submission, "KAGGLE_WORKING", working)
    submission.write_submission(tmp_path / "submission.csv", predictions(), None)
    assert (working / "submission.csv").read_bytes() == (tmp_path / "submission.csv").read_bytes()


@pytest.mark.parametrize(
    ("ids", "said"), [(("a1",), "0 missing, 1 too many"), (("a1", "b2", "c3"), "1 missing, 0 too")]
)
def test_other_ids_than_the_samples_are_refused_and_nothing_written(tmp_path, ids, said):
    with pytest.raises(DataError, match=said):
        submission.write_submission(tmp_path / "submission.csv", predictions(), sample(tmp_path, *ids))
    assert not (tmp_path / "submission.csv").exists()


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(DataError, match="more than once"):
        submission.to_csv(predictions(ids=("a1", "a1")))


def test_a_probability_that_is_no_number_is_refused():
    broken = PROBABILITIES.copy()
    broken[1, 0] = np.nan
    with pytest.raises(DataError, match="record b2: its probabilities"):
        submission.to_csv(predictions(probabilities=broken))


def test_labels_that_were_decided_otherwise_take_the_place_of_the_most_probable():
    assert submission.to_csv(predictions(), np.array([1, 2])) == "id,label\na1,1\nb2,2\n"


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0]])
def test_a_label_that_is_no_class_is_refused(labels):
    with pytest.raises(DataError, match=r"one of 0\.\.2 for each record"):
        submission.to_csv(predictions(), np.array(labels))


def test_the_command_that_sends_it_names_the_competition_of_the_data(tmp_path):
    path = tmp_path / "a b" / "submission.csv"
    said = submission.how_to_send(path, competition_classes(), "/kaggle/input/flower-classification-with-tpus", "x y")
    assert said == f"kaggle competitions submit flower-classification-with-tpus -f '{path}' -m 'x y'"
    other = submission.how_to_send(path, competition_classes(), "/data/petals", "x")
    assert other is not None
    assert other.startswith("kaggle competitions submit tpu-getting-started -f ")
    assert submission.how_to_send(path, ["rose", "tulip"], "/data/petals", "x") is None


def test_labels_may_be_a_list_of_whole_numbers(tmp_path):
    path = tmp_path / "submission.csv"
    submission.write_submission(path, predictions(), str(sample(tmp_path, "b2", "a1")), [1, 2])
    assert path.read_bytes() == b"id,label\na1,1\nb2,2\n"
    for labels in ([1.0, 2.0], ["a", "b"], [1]):
        with pytest.raises(DataError, match=r"labels must be one of 0\.\.2 for each record"):
            submission.to_csv(predictions(), labels)  # pyright: ignore[reportArgumentType]
