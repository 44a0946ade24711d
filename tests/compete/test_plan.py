"""What fits into a budget."""

import pytest

from lightning_flowers.compete.plan import RESERVE, Model, make_plan, seconds_of

RECORDS = {"train": 1000, "val": 200, "test": 300}
QUICK = Model("quick", ("--a",), epochs=4, start=10, train=100, val=200)
SLOW = Model("slow", (), epochs=4, start=10, train=10, val=20)


def names(plan):
    return [job.name for job in plan.jobs]


def test_the_seconds_of_a_run_are_its_epochs_and_its_predictions():
    assert seconds_of(QUICK, RECORDS) == pytest.approx(10 + 4 * (1000 / 100 + 200 / 200) + 3 * 500 / 200)


def test_features_that_are_kept_need_their_passes_alone():
    frozen = QUICK._replace(passes=2, epochs=1000)
    assert seconds_of(frozen, RECORDS) == pytest.approx(10 + 2200 / 200 + 3 * 500 / 200)


def test_each_model_and_its_last_round_come_before_further_seeds():
    plan = make_plan([QUICK, SLOW], RECORDS, 3600, {})
    assert names(plan)[:5] == ["quick-seed0", "quick-seed0-all", "slow-seed0", "slow-seed0-all", "quick-seed1"]
    assert "--data.train_on=train+val" in plan.jobs[1].flags
    assert "--data.train_on=train+val" not in plan.jobs[0].flags
    assert {"--a", "--seed_everything=1"} <= set(plan.jobs[4].flags)


@pytest.mark.parametrize("seconds", [300, 600, 1200, 2400])
def test_the_plan_keeps_to_the_budget(seconds):
    plan = make_plan([QUICK, SLOW], RECORDS, seconds, {})
    assert sum(job.seconds for job in plan.jobs) <= seconds * (1 - RESERVE)


def test_a_model_without_time_is_named_and_the_next_may_still_fit():
    plan = make_plan([QUICK, SLOW, QUICK._replace(name="third")], RECORDS, 250, {})
    assert plan.left_out == ("slow",)
    assert "third-seed0" in names(plan)


def test_the_first_run_is_planned_whatever_it_takes():
    assert names(make_plan([SLOW], RECORDS, 1, {})) == ["slow-seed0"]


def test_finished_runs_cost_nothing():
    once = make_plan([SLOW], RECORDS, 1100, {})
    again = make_plan([SLOW], RECORDS, 1100, dict.fromkeys(names(once), 1.0))
    assert len(again.jobs) > len(once.jobs)
    assert "done" in again.describe()


def test_what_is_done_stays_in_the_plan_when_the_budget_is_used_up():
    once = make_plan([QUICK, SLOW], RECORDS, 3600, {})
    again = make_plan([QUICK, SLOW], RECORDS, -5, dict.fromkeys(names(once), 1.0))
    assert names(again) == names(once)


@pytest.mark.parametrize("folds", [None, 2])
def test_what_was_cut_short_stays_in_the_plan_when_the_rest_of_it_does_not_fit(folds):
    once = make_plan([QUICK, SLOW], RECORDS, 3600, {}, folds)
    again = make_plan([QUICK, SLOW], RECORDS, -5, {**dict.fromkeys(names(once), 1.0), names(once)[3]: 0.5}, folds)
    assert names(again) == names(once)


def test_a_run_that_was_begun_costs_what_is_left_of_it():
    whole, rest = (make_plan([SLOW], RECORDS, 1, there).jobs[0].seconds for there in ({}, {"slow-seed0": 0.75}))
    assert rest == pytest.approx(whole / 4)


def test_folds_come_in_place_of_the_last_round_all_of_a_model_or_none():
    records = {"train": 800, "val": 400, "test": 300}
    each = seconds_of(SLOW, records)
    plan = make_plan([QUICK, SLOW], records, (3 * each) / (1 - RESERVE), {}, folds=3)
    assert names(plan)[:3] == ["quick-seed0-fold0", "quick-seed0-fold1", "quick-seed0-fold2"]
    assert plan.left_out == ("slow",)
    assert {job.member for job in plan.jobs} <= {f"quick-seed{seed}" for seed in range(5)}
    assert {"--data.folds=3", "--data.fold=1", "--seed_everything=0"} <= set(plan.jobs[1].flags)
    assert "folds of train+val" in plan.describe()


def test_of_folds_there_is_no_time_for_the_first_are_planned():
    assert names(make_plan([SLOW], RECORDS, 1, {}, folds=3)) == ["slow-seed0-fold0"]


@pytest.mark.parametrize("folds", [None, 3])
def test_a_small_model_that_learns_from_the_blend_takes_no_time_from_the_first(folds):
    records = {"train": 800, "val": 400, "test": 300}
    budget = 3.1 * seconds_of(QUICK, records) / (1 - RESERVE)
    alone = make_plan([QUICK], records, budget, {}, folds)
    plan = make_plan([QUICK], records, budget, {}, folds, distilled=SLOW)
    assert names(plan) == names(alone)
    assert plan.left_out == ("distilled",)
    begun = make_plan([QUICK], records, budget, {"distilled": 0.5}, folds, distilled=SLOW)
    assert names(begun)[-1] == "distilled"
