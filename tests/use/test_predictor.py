"""A loaded run answers as `predict` did, whatever pictures are given as."""

import numpy as np
import pytest

import lightning_flowers
from lightning_flowers.data.folder import open_split
from lightning_flowers.evaluation.calibration import fit_temperature, soften
from lightning_flowers.run.predictions import Predictions


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return lightning_flowers.load(tiny_run, accelerator="cpu")


def loose(root, split):
    """The pictures of a split as files' contents."""
    opened = open_split(root / "tfrecords-jpeg-64x64" / split, 64, 4, labelled=split != "test")
    return [bytes(opened.image_bytes(position)) for position in range(len(opened))]


def saved(run, split="val"):
    return Predictions.load(run / f"predictions/{split}.npz")


@pytest.mark.parametrize("split", ["val", "test"])
def test_each_picture_of_a_split_gets_the_answer_that_predict_gave(predictor, tiny_root, tiny_run, split):
    found = predictor.probabilities(loose(tiny_root, split), batch_size=4, calibrated=False)
    np.testing.assert_allclose(found, saved(tiny_run, split).probabilities, atol=1e-5)
    assert found.dtype == np.float32


def test_probabilities_are_calibrated_on_val(predictor, tiny_root, tiny_run):
    val = saved(tiny_run)
    temperature = fit_temperature(val.probabilities, val.labels)
    found = predictor.probabilities(loose(tiny_root, "val"))
    assert predictor.calibrated
    assert predictor.members[0].temperature == temperature != 1
    np.testing.assert_allclose(found, soften(val.probabilities, temperature), atol=1e-5)
