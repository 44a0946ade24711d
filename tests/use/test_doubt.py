"""The threshold keeps as many right answers as it says."""

import shutil

import numpy as np
import pytest

import lightning_flowers
from lightning_flowers.use.doubt import doubt_of, fit_doubt


def test_it_keeps_as_many_right_answers_as_asked_and_counts_the_wrong_ones():
    top = np.linspace(0.5, 0.99, 100)
    probabilities = np.stack([top, 1 - top], 1)
    labels = np.zeros(100, np.int64)
    labels[:50:2] = 1  # of the less probable half every second is wrong
    found = fit_doubt(probabilities, labels, keep=0.8)
    assert found is not None
    assert (found.right, found.wrong) == (75, 25)
    assert found.right_kept == 60 / 75
    assert found.threshold == pytest.approx(top[31])
    assert found.wrong_passed == (top[:50:2] >= found.threshold).mean()


def test_there_may_be_no_wrong_answer_and_no_right_one():
    sure = np.array([[0.9, 0.1]])
    found = fit_doubt(sure, np.array([0]))
    assert found is not None
    assert found.wrong_passed is None
    assert fit_doubt(sure, np.array([1])) is None


def test_it_is_fitted_on_the_runs_val(tiny_run, tmp_path):
    predictor = lightning_flowers.load(tiny_run, accelerator="cpu")
    found = doubt_of(predictor)
    assert found is not None
    assert found.right + found.wrong == 11
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    (run / "predictions/val.npz").unlink()
    assert doubt_of(lightning_flowers.load(run, accelerator="cpu")) is None
