"""What is chosen on val helps on records that took no part in it."""

import numpy as np
import pytest

from lightning_flowers.compete.choice import decide, options_of, steps_of
from lightning_flowers.ensemble.scoring import Option, Val
from lightning_flowers.evaluation.decision import macro_f1

CLASSES = 5


def runs_of(noise, labels, seed=0, members=3):
    """Probabilities (members, records, classes) of runs that see the label through independent noise."""
    rng = np.random.default_rng(seed)
    logits = 3.0 * np.eye(CLASSES)[labels] + rng.normal(0, noise, (members, len(labels), CLASSES))
    powers = np.exp(logits)
    return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(1).integers(0, CLASSES, 200)


def test_runs_with_errors_of_their_own_are_blended_and_the_figure_holds_elsewhere(labels):
    steps = steps_of(Val({"none": runs_of(2.5, labels)}, labels))
    assert [step.name for step in steps] == [
        "the best single run", "and blends of all runs", "and adjusted decisions: taken",
    ]  # fmt: skip
    assert steps[1].nested > steps[0].nested + 0.02
    option = steps[1].option
    assert option.weights != "best run"
    other = np.random.default_rng(2).integers(0, CLASSES, 2000)
    val = Val({"none": runs_of(2.5, labels)}, labels)
    _, decided = decide(option, val.weights(option), val, runs_of(2.5, other, seed=3))
    assert macro_f1(other, decided, CLASSES) == pytest.approx(steps[1].nested, abs=0.06)


def test_views_are_taken_where_they_help_and_left_where_they_do_not(labels):
    plain = runs_of(2.5, labels)
    better, worse = runs_of(1.0, labels, seed=5), runs_of(6.0, labels, seed=6)
    assert steps_of(Val({"none": plain, "flips": better}, labels))[-1].option.views == "flips"
    assert steps_of(Val({"none": plain, "flips": worse}, labels))[-1].option.views == "none"


def test_nothing_is_added_where_nothing_helps(labels):
    certain = np.stack([np.eye(CLASSES, dtype=np.float32)[labels]] * 2)
    steps = steps_of(Val({"none": certain, "flips": certain}, labels))
    assert {step.option for step in steps} == {Option("none", "best run", "arithmetic", "argmax")}
    assert all(step.nested == 1 for step in steps)


def test_what_is_noise_is_not_believed():
    """Of runs that know nothing the best looks better than chance on what it was chosen by; nested it does not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    noise = rng.random((12, 120, 2)).astype(np.float32)
    step = steps_of(Val({"none": noise}, labels))[-1]
    assert step.nested < 0.6
    assert step.nested < step.cross_validated


def test_options_begin_with_the_simplest():
    options = options_of(2, ["none", "flips"], ["argmax", "adjusted"])
    assert options[0] == Option("none", "best run", "arithmetic", "argmax")
    assert len(options) == len(set(options)) == 20
