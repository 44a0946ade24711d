import numpy as np
import pytest
import sklearn.metrics

from lightning_flowers.data.splits.folds import fold_positions
from lightning_flowers.ensemble.scoring import BEST_RUN, EQUAL, GIVEN, SEARCHED, score_candidates
from lightning_flowers.ensemble.search import search_weights
from lightning_flowers.evaluation.blend import METHODS, Terms
from lightning_flowers.evaluation.decision import TAUS, fit_adjustment

from .conftest import CLASSES, LABELS, SKEWED, biased, guesses

NAMES = ["a", "b", "c"]
PROBABILITIES = np.stack([guesses(seed, LABELS, strength) for seed, strength in ((0, 1.2), (1, 1.0), (2, 0.8))])


def f1(decided, labels=LABELS):
    return sklearn.metrics.f1_score(
        labels,
        decided,
        labels=range(CLASSES),
        average="macro",
        zero_division=0.0,  # pyright: ignore[reportArgumentType]
    )


def by_name(candidates):
    return {(one.name, one.method): one for one in candidates}


def test_each_run_the_best_of_them_and_every_blend_is_scored():
    found = score_candidates(NAMES, PROBABILITIES, LABELS, "argmax", (2.0, 1.0, 1.0))
    singles = [*((name, None) for name in NAMES), (BEST_RUN, None)]
    blends = [(name, method) for method in METHODS for name in (EQUAL, SEARCHED, GIVEN)]
    assert [(one.name, one.method) for one in found] == [*singles, *blends]
    assert by_name(found)[GIVEN, "ranks"].weights.tolist() == [0.5, 0.25, 0.25]
    assert GIVEN not in {one.name for one in score_candidates(NAMES, PROBABILITIES, LABELS, "argmax")}


def test_scores_are_scikit_learns_of_the_blend():
    for one in score_candidates(NAMES, PROBABILITIES, LABELS, "argmax"):
        assert one.in_sample.macro_f1 == pytest.approx(f1(one.blend.argmax(1)))
        assert one.in_sample.accuracy == pytest.approx((one.blend.argmax(1) == LABELS).mean())
        rows = one.blend.astype(np.float64)
        wanted = sklearn.metrics.log_loss(LABELS, rows / rows.sum(1, keepdims=True), labels=range(CLASSES))
        assert one.log_loss == pytest.approx(wanted, rel=1e-5)


def test_what_fits_nothing_scores_the_same_cross_validated():
    for one in score_candidates(NAMES, PROBABILITIES, LABELS, "argmax"):
        if one.name in (*NAMES, EQUAL):
            assert one.cross_validated == one.in_sample.macro_f1


@pytest.mark.parametrize("method", METHODS)
def test_searched_weights_are_held_to_folds_they_were_not_searched_with(method):
    decided = np.empty_like(LABELS)
    for fold in range(5):
        fit, rest = fold_positions(LABELS, 5, fold, 0)
        weights = search_weights(Terms(method, PROBABILITIES[:, fit]), LABELS[fit], np.arange(len(fit)))
        decided[rest] = Terms(method, PROBABILITIES[:, rest]).blend(weights).argmax(1)
    found = by_name(score_candidates(NAMES, PROBABILITIES, LABELS, "argmax"))[SEARCHED, method]
    assert found.cross_validated == pytest.approx(f1(decided))


def test_which_run_is_best_is_held_to_the_other_folds_too():
    """Two runs that are right on every other record: on each fold the better one is that which errs elsewhere."""
    answers = guesses(0, LABELS, 9)
    wrong = guesses(0, (LABELS + 1) % CLASSES, 9)
    parts = [fold_positions(LABELS, 5, fold, 0)[1] for fold in range(2)]
    pair = np.stack([answers, answers])
    for number, part in enumerate(parts):
        pair[number, part] = wrong[part]
    found = by_name(score_candidates(["a", "b"], pair, LABELS, "argmax"))
    decided = np.where(np.isin(np.arange(len(LABELS)), np.concatenate(parts)), (LABELS + 1) % CLASSES, LABELS)
    assert found[BEST_RUN, None].in_sample.macro_f1 == max(found[n, None].in_sample.macro_f1 for n in ("a", "b"))
    assert found[BEST_RUN, None].cross_validated == pytest.approx(f1(decided))


@pytest.mark.parametrize("method", METHODS)
def test_weights_then_tau_are_fitted_on_the_other_folds(method):
    """Nested, the plain way: scikit-learn's F1 of every tau, on blends of weights that never saw the fold."""
    probabilities = np.stack([biased(seed).probabilities for seed in range(3)])
    adjusted, most_probable, taus = np.empty_like(SKEWED), np.empty_like(SKEWED), set()
    for fold in range(5):
        fit, rest = fold_positions(SKEWED, 5, fold, 0)
        weights = search_weights(Terms(method, probabilities[:, fit]), SKEWED[fit], np.arange(len(fit)))
        logs = np.log(Terms(method, probabilities).blend(weights).astype(np.float64))
        counts = np.bincount(SKEWED, minlength=CLASSES) + 1  # of all: it is not fitted
        prior = np.log(counts / counts.sum())
        scores = {tau: f1((logs - tau * prior)[fit].argmax(1), SKEWED[fit]) for tau in TAUS}
        tau = max(TAUS, key=lambda one: (round(scores[one], 12), -one))
        adjusted[rest] = (logs - tau * prior)[rest].argmax(1)
        most_probable[rest] = logs[rest].argmax(1)
        taus.add(tau)
    # Fused ranks are so close to each other that any tau above 0 would answer with the rarest class.
    assert (taus == {0}) == (method == "ranks")
    found = by_name(score_candidates(NAMES, probabilities, SKEWED, "adjusted"))[SEARCHED, method]
    assert found.cross_validated == pytest.approx(f1(adjusted, SKEWED))
    assert found.argmax_cross_validated == pytest.approx(f1(most_probable, SKEWED))
    plain = by_name(score_candidates(NAMES, probabilities, SKEWED, "argmax"))[SEARCHED, method]
    assert plain.cross_validated == plain.argmax_cross_validated == found.argmax_cross_validated


def test_an_adjusted_decision_is_fitted_on_the_other_folds_as_well():
    for one in score_candidates(NAMES, PROBABILITIES, LABELS, "adjusted"):
        adjustment = fit_adjustment(one.blend, LABELS)
        assert one.in_sample.macro_f1 == adjustment.in_sample
        if one.name in (*NAMES, EQUAL):
            assert one.cross_validated == adjustment.cross_validated
