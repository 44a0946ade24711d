import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lightning_flowers.evaluation.blend import METHODS, Terms

CLASSES = 5


def draw(seed, members=3, records=20):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(CLASSES, 0.5), (members, records)).astype(np.float32), rng.uniform(0.1, 1, members)


# Any probabilities: zeros, equals, certainty.
ROWS = arrays(np.float64, (2, 4, CLASSES), elements=st.sampled_from([0, 0, 1e-30, 0.1, 0.2, 1])).map(
    lambda one: ((one + [1e-3, 0, 0, 0, 0]) / (one + [1e-3, 0, 0, 0, 0]).sum(-1, keepdims=True)).astype(np.float32)
)


@settings(deadline=None, max_examples=40)
@given(ROWS, st.sampled_from(list(METHODS)), st.tuples(st.floats(0, 9), st.floats(0.1, 9)))
def test_rows_sum_to_1_whatever_is_blended(probabilities, method, weights):
    blend = Terms(method, probabilities).blend(np.array(weights))
    assert blend.dtype == np.float32
    assert blend.shape == probabilities.shape[1:]
    assert blend.sum(1) == pytest.approx(1, abs=1e-5)
    assert (blend >= 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(list(METHODS)))
def test_one_run_with_all_the_weight_decides_as_by_itself(seed, method):
    probabilities, _ = draw(seed)
    blend = Terms(method, probabilities).blend(np.array([0.0, 2.0, 0.0]))
    assert blend.argmax(1).tolist() == probabilities[1].argmax(1).tolist()
    if method != "ranks":
        assert blend == pytest.approx(probabilities[1], abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(list(METHODS)), st.permutations(range(3)))
def test_the_order_of_runs_does_not_matter(seed, method, order):
    probabilities, weights = draw(seed)
    blend = Terms(method, probabilities).blend(weights)
    assert Terms(method, probabilities[order]).blend(weights[order]) == pytest.approx(blend, abs=1e-6)


def test_the_arithmetic_mean_is_numpys_weighted_average():
    probabilities, weights = draw(0)
    wanted = np.average(probabilities.astype(np.float64), 0, weights)
    assert Terms("arithmetic", probabilities).blend(weights) == pytest.approx(wanted, abs=1e-6)


def test_the_geometric_mean_is_the_softmax_of_mean_log_probabilities():
    probabilities, weights = draw(1)
    share = torch.tensor(weights / weights.sum())[:, None, None]
    wanted = torch.softmax((torch.tensor(probabilities, dtype=torch.float64).log() * share).sum(0), 1)
    assert Terms("geometric", probabilities).blend(weights) == pytest.approx(wanted.numpy(), abs=1e-6)


def test_runs_that_rule_out_each_others_classes_still_blend():
    probabilities = np.array([[[1, 0, 0]], [[0, 1, 0]]], np.float32)
    assert Terms("geometric", probabilities).blend(np.ones(2))[0] == pytest.approx([0.5, 0.5, 0], abs=1e-6)


def test_ranks_are_fused_as_reciprocals():
    probabilities, weights = draw(2)
    wanted = np.zeros(probabilities.shape[1:])
    for weight, one in zip(weights, probabilities, strict=True):
        for record, row in enumerate(one):
            wanted[record] += weight / (60 + CLASSES + 1 - scipy.stats.rankdata(row))
    wanted /= wanted.sum(1, keepdims=True)
    assert Terms("ranks", probabilities).blend(weights) == pytest.approx(wanted, abs=1e-6)


def test_equals_share_their_mean_rank():
    terms = Terms("ranks", np.array([[[0.4, 0.4, 0.2]]], np.float32))
    assert terms.values[0, 0] == pytest.approx([1 / 61.5, 1 / 61.5, 1 / 63])
