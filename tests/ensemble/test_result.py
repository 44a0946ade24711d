import numpy as np
import pytest

from lightning_flowers.ensemble.members import read_members
from lightning_flowers.ensemble.result import Options, blend_members
from lightning_flowers.ensemble.scoring import BEST_RUN
from lightning_flowers.evaluation.decision import fit_adjustment

from .conftest import biased


@pytest.fixture
def members(make_run):
    return read_members([make_run("strong", strength=2.5), make_run("weak", seed=1, strength=0.3)])


@pytest.mark.parametrize("method", ["arithmetic", "geometric", "ranks"])
@pytest.mark.parametrize(
    ("weights", "name"), [("search", "searched weights"), ("equal", "equal weights"), ((3, 1), "given weights")]
)
def test_the_blend_that_was_asked_for_is_taken(members, method, weights, name):
    taken = blend_members(members, Options(method, weights)).taken
    assert (taken.name, taken.method) == (name, method)


@pytest.mark.parametrize(("strength", "chosen"), [(0.3, "search"), (2.5, "equal")])
def test_searched_weights_are_taken_only_where_they_do_better_on_other_records(make_run, strength, chosen):
    """Beside a run that knows little, weights are worth a search; runs that are alike are blended alike."""
    some = read_members([make_run("one", strength=2.5), make_run("other", seed=1, strength=strength)])
    outcome = blend_members(some, Options())
    found = {one.name: one.cross_validated for one in outcome.candidates if one.method == "arithmetic"}
    assert (found["searched weights"] > found["equal weights"]) == (chosen == "search")
    assert outcome.taken.cross_validated == max(found["searched weights"], found["equal weights"])
    assert outcome.options.weights == chosen


def test_a_blend_worse_than_a_run_by_itself_is_never_silent(members):
    outcome = blend_members(members, Options(weights=(0.0, 1.0)))
    assert outcome.best_run.name == BEST_RUN
    assert outcome.warning is not None
    figures = f"{outcome.taken.cross_validated:.4f} against {outcome.best_run.cross_validated:.4f}"
    assert outcome.warning.startswith(f"the blend does worse than the best run by itself: val macro F1 {figures}")


def test_one_as_good_is_silent(members):
    assert blend_members(members, Options(weights=(1.0, 0.0))).warning is None


def test_decisions_are_adjusted_only_where_asked_for(members):
    assert blend_members(members, Options()).adjustment is None
    adjustment = blend_members(members, Options(decision="adjusted")).adjustment
    assert adjustment is not None
    assert np.isfinite(adjustment.log_prior).all()


def test_the_adjustments_held_out_scores_are_of_weights_of_the_other_folds(make_run):
    """Runs of which a search on few records takes some for better by chance."""
    some = read_members([make_run(name, val=biased(seed)) for seed, name in enumerate("abcd")])
    outcome = blend_members(some, Options(weights="search", decision="adjusted"))
    adjustment, taken = outcome.adjustment, outcome.taken
    assert adjustment is not None
    leaked = fit_adjustment(taken.blend, some.labels)
    assert (adjustment.tau, adjustment.in_sample) == (leaked.tau, taken.in_sample.macro_f1)
    assert (adjustment.cross_validated, adjustment.plain) == (taken.cross_validated, taken.argmax_cross_validated)
    assert adjustment.cross_validated < leaked.cross_validated - 0.02
    assert adjustment.plain < leaked.plain - 0.02
