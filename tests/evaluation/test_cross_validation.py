import numpy as np
import pytest

from lightning_flowers.data.splits.folds import fold_positions
from lightning_flowers.evaluation.calibration import log_probabilities, log_softmax
from lightning_flowers.evaluation.cross_validation import out_of_fold

LABELS = np.arange(23) % 3


def test_answers_stand_in_the_records_order():
    assert out_of_fold(LABELS, lambda fit, rest: rest).tolist() == list(range(23))


def test_no_record_is_answered_for_by_what_was_fitted_on_it():
    seen = []

    def answer(fit, rest):
        seen.append((fit.tolist(), rest.tolist()))
        return rest

    out_of_fold(LABELS, answer)
    assert seen == [tuple(part.tolist() for part in fold_positions(LABELS, 5, fold, 0)) for fold in range(5)]
    assert all(not set(fit) & set(rest) for fit, rest in seen)


@pytest.mark.parametrize("records", [1, 2, 4])
def test_there_are_no_more_folds_than_records(records):
    fitted = out_of_fold(LABELS[:records], lambda fit, rest: np.full(len(rest), len(fit)))
    assert fitted.tolist() == [records - 1] * records


def test_logs_of_0_are_minus_infinity_without_a_warning():
    logs = log_probabilities(np.array([[0, 1, 0.5]], np.float32))
    assert logs.dtype == np.float64
    assert logs[0].tolist() == [-np.inf, 0, pytest.approx(np.log(0.5))]
    assert np.exp(log_softmax(logs))[0] == pytest.approx([0, 2 / 3, 1 / 3])
