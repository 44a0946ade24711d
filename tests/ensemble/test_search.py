import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.ensemble import search
from lightning_flowers.ensemble.search import ROUNDS, best_member, search_weights
from lightning_flowers.evaluation.blend import METHODS, Terms

CLASSES = 5


def members(seed, count=4, records=80, classes=CLASSES):
    """Models that err apart: each knows its own half of the classes better."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, records)
    strength = rng.uniform(0, 2.5, (count, classes))
    logits = strength[:, labels, None] * np.eye(classes)[labels] + rng.normal(0, 1, (count, records, classes))
    return torch.softmax(torch.tensor(logits), -1).numpy().astype(np.float32), labels


def f1(labels, probabilities, classes=CLASSES):
    return sklearn.metrics.f1_score(
        labels,
        probabilities.argmax(1),
        labels=range(classes),
        average="macro",
        zero_division=0.0,  # pyright: ignore[reportArgumentType]
    )


def _normalised(rows):
    return rows / rows.sum(1, keepdims=True)


def everything(labels):
    return np.arange(len(labels))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(list(METHODS)), st.integers(1, 80))
def test_it_is_never_below_the_best_member_on_the_records_searched_with(seed, method, records):
    probabilities, labels = members(seed, records=records)
    terms = Terms(method, probabilities)
    weights = search_weights(terms, labels, everything(labels))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    best = max(f1(labels, one) for one in probabilities)
    assert f1(labels, terms.blend(weights)) >= best - 1e-12
    assert f1(labels, terms.blend(best_member(terms, labels, everything(labels)))) == pytest.approx(best)


@pytest.mark.parametrize("method", METHODS)
def test_members_that_err_apart_are_better_together(method):
    probabilities, labels = members(0, records=400)
    terms = Terms(method, probabilities)
    weights = search_weights(terms, labels, everything(labels))
    assert f1(labels, terms.blend(weights)) > max(f1(labels, one) for one in probabilities) + 0.02
    assert np.count_nonzero(weights) > 1


def test_each_round_takes_the_best_next_member_as_a_plain_search_does():
    probabilities, labels = members(3, count=3)
    taken, path = [], []
    for _ in range(ROUNDS):
        means = [probabilities[[*taken, one]].astype(np.float64).mean(0) for one in range(3)]
        losses = [sklearn.metrics.log_loss(labels, _normalised(mean), labels=range(CLASSES)) for mean in means]
        rows = [(f1(labels, mean), -loss) for mean, loss in zip(means, losses, strict=True)]
        taken.append(max(range(3), key=lambda one: rows[one]))
        path.append((*rows[taken[-1]], list(taken)))
    best = max(path, key=lambda step: step[:2])[2]
    found = search_weights(Terms("arithmetic", probabilities), labels, everything(labels))
    assert found == pytest.approx(np.bincount(best, minlength=3) / len(best))


def test_only_the_given_records_are_searched_with():
    probabilities, labels = members(4)
    some = np.arange(0, 80, 3)
    found = search_weights(Terms("arithmetic", probabilities), labels, some)
    alone = search_weights(Terms("arithmetic", probabilities[:, some]), labels[some], np.arange(len(some)))
    assert found.tolist() == alone.tolist()


def test_of_equally_right_members_the_surer_one_is_the_best():
    labels = np.array([0, 1])
    probabilities = np.array([[[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]], np.float32)
    assert best_member(Terms("arithmetic", probabilities), labels, everything(labels)).tolist() == [0, 1]
    assert search_weights(Terms("arithmetic", probabilities), labels, everything(labels)).tolist() == [0, 1]


def test_of_members_that_are_alike_the_first_is_taken():
    probabilities, labels = members(1, count=1)
    alike = np.concatenate([probabilities] * 3)
    assert search_weights(Terms("arithmetic", alike), labels, everything(labels)).tolist() == [1, 0, 0]


def test_without_records_there_is_nothing_to_choose_by():
    probabilities, labels = members(1)
    assert search_weights(Terms("arithmetic", probabilities), labels, np.zeros(0, np.int64)).tolist() == [1, 0, 0, 0]


def test_the_log_loss_which_costs_the_most_is_asked_for_among_equals_only(monkeypatch):
    probabilities, labels = members(0, count=10)
    scored = sorted(range(10), key=lambda one: f1(labels, probabilities[one]))
    asked = []
    monkeypatch.setattr(search, "log_loss", lambda blend, labels: asked.append(blend) or 1.0)
    best_member(Terms("arithmetic", probabilities[scored[:9] + scored[:1]]), labels, everything(labels))
    equals = [one for one in scored[:9] if f1(labels, probabilities[one]) == f1(labels, probabilities[scored[8]])]
    assert len(asked) == len(equals) < 9
    asked.clear()
    best_member(Terms("arithmetic", probabilities[[scored[9], scored[0], scored[9]]]), labels, everything(labels))
    assert len(asked) == 2
