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
    plan = make_plan([QUICK, SLOW], RECORDS, 3600, done=[])
    assert names(plan)[:5] == ["quick-seed0", "quick-seed0-all", "slow-seed0", "slow-seed0-all", "quick-seed1"]
    assert "--data.train_on=train+val" in plan.jobs[1].flags
    assert "--data.train_on=train+val" not in plan.jobs[0].flags
    assert {"--a", "--seed_everything=1"} <= set(plan.jobs[4].flags)


@pytest.mark.parametrize("seconds", [300, 600, 1200, 2400])
def test_the_plan_keeps_to_the_budget(seconds):
    plan = make_plan([QUICK, SLOW], RECORDS, seconds, done=[])
    assert sum(job.seconds for job in plan.jobs) <= seconds * (1 - RESERVE)


def test_a_model_without_time_is_named_and_the_next_may_still_fit():
    plan = make_plan([QUICK, SLOW, QUICK._replace(name="third")], RECORDS, 250, done=[])
    assert plan.left_out == ("slow",)
    assert "third-seed0" in names(plan)


def test_the_first_run_is_planned_whatever_it_takes():
    assert names(make_plan([SLOW], RECORDS, 1, done=[])) == ["slow-seed0"]


def test_finished_runs_cost_nothing():
    once = make_plan([SLOW], RECORDS, 1100, done=[])
    again = make_plan([SLOW], RECORDS, 1100, done=names(once))
    assert len(again.jobs) > len(once.jobs)
    assert "done" in again.describe(names(once))
