import numpy as np
import pytest
import scipy.optimize
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from lightning_flowers.evaluation.calibration import (
    calibrate,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    soften,
)


@pytest.fixture(scope="module")
def overconfident():
    """Logits of 600 records and 7 classes, three times as far apart as they should be, and labels drawn from them."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (600, 7))
    fair = torch.softmax(torch.tensor(logits), 1).numpy()
    labels = np.array([rng.choice(7, p=row) for row in fair])
    return torch.tensor(3 * logits), labels


@pytest.fixture(scope="module")
def probabilities(overconfident):
    return torch.softmax(overconfident[0], 1).numpy().astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 15))
def test_softened_probabilities_are_the_softmax_of_the_divided_logits(seed, temperature):
    logits = torch.tensor(np.random.default_rng(seed).normal(0, 3, (5, 6)))
    softened = soften(torch.softmax(logits, 1).numpy(), temperature)
    assert softened.dtype == np.float32
    assert softened == pytest.approx(torch.softmax(logits / temperature, 1).numpy(), abs=1e-6)


def test_a_probability_of_0_stays_0_and_the_others_sum_to_1():
    softened = soften(np.array([[0, 0.9, 0.1], [0, 0, 1]], np.float32), 2)
    assert softened[:, 0].tolist() == [0, 0]
    assert softened[0] == pytest.approx([0, 0.75, 0.25])
    assert softened[1].tolist() == [0, 0, 1]


def test_bins_are_closed_on_the_right():
    tops = np.array([0.5, 0.51, 0.75, 1.0])
    found = reliability(np.stack([tops, 1 - tops], 1), np.array([0, 0, 1, 0]), bins=4)
    assert found.count.tolist() == [0, 1, 2, 1]
    assert found.count.dtype == np.int64
    assert found.accuracy == pytest.approx([np.nan, 1, 0.5, 1], nan_ok=True)
    assert found.confidence == pytest.approx([np.nan, 0.5, 0.63, 1], nan_ok=True)


def test_the_calibration_error_equals_torchmetrics(overconfident, probabilities):
    labels = overconfident[1]
    wanted = multiclass_calibration_error(torch.tensor(probabilities), torch.tensor(labels), 7, n_bins=15)
    assert expected_calibration_error(reliability(probabilities, labels)) == pytest.approx(float(wanted), abs=1e-6)
    assert float(wanted) > 0.1


def test_the_log_loss_equals_scikit_learns_and_a_0_costs_87(probabilities, overconfident):
    labels, kept = overconfident[1], probabilities.astype(np.float64).clip(1e-6)
    kept /= kept.sum(1, keepdims=True)
    assert log_loss(kept, labels) == pytest.approx(sklearn.metrics.log_loss(labels, kept, labels=range(7)))
    assert log_loss(np.array([[1, 0]], np.float32), np.array([1])) == pytest.approx(87.34, abs=0.01)


def test_the_fitted_temperature_is_the_best_of_torchs_cross_entropy(overconfident, probabilities):
    logits, labels = overconfident
    wanted = scipy.optimize.minimize_scalar(
        lambda t: float(torch.nn.functional.cross_entropy(logits / t, torch.tensor(labels))),
        bounds=(0.05, 20),
        method="bounded",
    )
    temperature = fit_temperature(probabilities, labels)
    assert temperature == pytest.approx(wanted.x, rel=1e-3)  # pyright: ignore[reportAttributeAccessIssue]
    assert temperature == pytest.approx(3, rel=0.15)
    assert temperature == fit_temperature(probabilities, labels)


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [0, 1]),
        ([[0.7, 0.3]], [0]),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1]),
        ([[1.0, 0.0]], [1]),
    ],
)
def test_a_temperature_that_nothing_speaks_for_is_1(rows, labels):
    assert fit_temperature(np.array(rows, np.float32), np.array(labels)) == 1


def test_no_record_speaks_for_no_temperature():
    assert fit_temperature(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == 1
    assert np.isnan(log_loss(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)))
    assert np.isnan(expected_calibration_error(reliability(np.zeros((0, 3)), np.zeros(0, np.int64))))


def test_a_single_wrong_record_softens_as_far_as_can_be():
    assert fit_temperature(np.array([[0.9, 0.1]]), np.array([1])) == pytest.approx(20, rel=1e-3)


def test_calibration_lowers_loss_and_error_on_records_it_was_not_fitted_on(overconfident, probabilities):
    found = calibrate(probabilities, overconfident[1])
    assert found.temperature == fit_temperature(probabilities, overconfident[1])
    assert found.nll_after < found.nll_cross_validated < found.nll_before
    assert max(found.ece_after, found.ece_cross_validated) < 0.08 < found.ece_before
    assert found.nll_after == pytest.approx(log_loss(soften(probabilities, found.temperature), overconfident[1]))


def test_the_cross_validated_temperatures_know_nothing_of_their_fold():
    """Of two records, each fold's temperature comes from the other: one says 20, one says 1."""
    found = calibrate(np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), np.array([0, 1]))
    far = fit_temperature(np.array([[0.8, 0.2]]), np.array([1]))
    expected = -np.log([soften(np.array([[0.9, 0.1]]), far)[0, 0], 0.2]).mean()
    assert found.nll_cross_validated == pytest.approx(expected, rel=1e-5)


def test_a_single_record_is_calibrated_without_complaint():
    found = calibrate(np.array([[0.9, 0.1]], np.float32), np.array([0]))
    assert found.temperature == 1
    assert found.nll_cross_validated == found.nll_before
