import json

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.data.splits.folds import fold_positions
from lightning_flowers.evaluation.decision import TAUS, decide_as, fit_adjustment, log_prior_of, macro_f1

CLASSES = 5
SHARES = np.array([0.5, 0.3, 0.12, 0.05, 0.03])


def shifted(seed, records=1500):
    """Probabilities of a model that holds rare classes for rarer than they are, as one trained on few of them does."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, p=SHARES, size=records)
    logits = 1.5 * np.eye(CLASSES)[labels] + rng.normal(0, 1, (records, CLASSES)) + 1.2 * np.log(SHARES)
    return torch.softmax(torch.tensor(logits), 1).numpy().astype(np.float32), labels


def known_little(rng, counts, times):
    """Probabilities of a model that knows little but how many records of a class it was trained on, and labels."""
    labels = np.repeat(np.arange(len(counts)), counts * times)
    noise = rng.normal(0, 0.3, (len(labels), len(counts)))
    logits = 0.5 * np.eye(len(counts))[labels] + noise + np.log(counts / counts.sum())
    return torch.softmax(torch.tensor(logits), 1).numpy(), labels


def sklearns(labels, decided):
    return sklearn.metrics.f1_score(labels, decided, labels=range(CLASSES), average="macro", zero_division=0.0)  # pyright: ignore[reportArgumentType]


def adjusted(probabilities, tau, log_prior):
    return (torch.tensor(probabilities, dtype=torch.float64).log() - tau * log_prior).argmax(1).numpy()


def by_hand(probabilities, labels):
    """tau and prior, the plain way: every tau tried with scikit-learn's F1 on torch's logits."""
    prior = torch.tensor((np.bincount(labels, minlength=CLASSES) + 1) / (len(labels) + CLASSES))
    decided = {tau: adjusted(probabilities, tau, prior.log()) for tau in TAUS}
    tau = max(TAUS, key=lambda one: (round(sklearns(labels, decided[one]), 12), -one))
    return tau, prior.log()


@pytest.mark.parametrize("seed", range(3))
def test_tau_and_prior_are_the_best_of_all_tried(seed):
    probabilities, labels = shifted(seed)
    found = fit_adjustment(probabilities, labels)
    tau, log_prior = by_hand(probabilities, labels)
    assert found.tau == tau > 0
    assert found.log_prior == pytest.approx(log_prior.numpy())
    assert found.in_sample == pytest.approx(sklearns(labels, found.decide(probabilities)))
    assert found.plain == pytest.approx(sklearns(labels, probabilities.argmax(1)))
    assert found.decide(probabilities).dtype == np.int64


def test_the_cross_validated_score_is_of_taus_of_the_other_folds_and_the_prior_of_all():
    probabilities, labels = shifted(0, records=300)
    log_prior = by_hand(probabilities, labels)[1]
    decided = np.empty(300, np.int64)
    for fold in range(5):
        fit, rest = fold_positions(labels, 5, fold, 0)
        found = [sklearns(labels[fit], adjusted(probabilities[fit], tau, log_prior)) for tau in TAUS]
        tau = TAUS[int(np.argmax(np.round(found, 12)))]
        decided[rest] = adjusted(probabilities[rest], tau, log_prior)
    assert fit_adjustment(probabilities, labels).cross_validated == pytest.approx(sklearns(labels, decided))


def test_classes_of_one_record_are_not_known_by_their_absence_from_the_other_folds():
    """The cross-validated score is no higher, in the mean, than that on other records; a prior of the other folds would
    be lowest for the very class that is held out."""
    counts = np.array([20] * 3 + [1] * 9)
    held_out, elsewhere = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        (val, labels), (other, others) = (known_little(rng, counts, times) for times in (1, 10))
        found = fit_adjustment(val, labels)
        held_out.append(found.cross_validated)
        elsewhere.append(macro_f1(others, found.decide(other), len(counts)))
    assert np.mean(held_out) < np.mean(elsewhere)


def test_rare_classes_gain_on_records_it_was_not_fitted_on():
    found = fit_adjustment(*shifted(0))
    assert found.plain + 0.02 < found.cross_validated <= found.in_sample


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_it_is_never_below_argmax_in_sample(seed, records):
    found = fit_adjustment(*shifted(seed, records))
    assert found.in_sample >= found.plain


def test_of_equals_the_smaller_tau_is_taken_so_that_perfect_predictions_stay_as_they_are():
    found = fit_adjustment(np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0, 1, 2, 0]))
    assert (found.tau, found.in_sample, found.plain) == (0, 1, 1)


def test_a_class_of_probability_0_is_never_decided_for():
    probabilities, labels = shifted(1)
    probabilities[:, 4] = 0
    assert 4 not in fit_adjustment(probabilities, labels).decide(probabilities)


def test_a_single_record_is_decided_as_it_is():
    found = fit_adjustment(np.array([[0.2, 0.8]], np.float32), np.array([1]))
    assert (found.tau, found.cross_validated) == (0, 0.5)


def test_facts_are_json_and_decide_the_same():
    probabilities, labels = shifted(2)
    found = fit_adjustment(probabilities, labels)
    facts = json.loads(json.dumps(found.facts()))
    again = (np.log(probabilities.astype(np.float64)) - facts["tau"] * np.array(facts["log_prior"])).argmax(1)
    assert again.tolist() == found.decide(probabilities).tolist()
    assert decide_as(probabilities, labels, probabilities, log_prior_of(labels, CLASSES)).tolist() == again.tolist()


def test_a_line_says_when_it_is_worse_than_argmax():
    found = fit_adjustment(*shifted(0, records=40))
    assert found.cross_validated < found.plain
    assert found.describe().endswith(" by argmax, cross-validated too: worse than argmax")
    assert fit_adjustment(*shifted(0)).describe().endswith(" by argmax, cross-validated too")


def test_macro_f1_is_over_all_classes_of_which_one_may_be_in_no_record():
    assert macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), 4) == pytest.approx(1 / 3)
