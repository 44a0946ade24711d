"""What to train within a budget of hours, as pure functions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lightning_flowers.markdown import number, text_table

RESERVE = 0.15  # of the budget, for what probes do not see: starts of processes, checkpoints, blends
ALL = "-all"  # how the name of a run of the last round ends
_TTA_VIEWS = 2  # flips: val and test are predicted once more, twice each
_MOST_SEEDS = 5  # of a model: seeds beyond it bring next to nothing


class Model(NamedTuple):
    """A model that takes part, and what a probe measured of it.

    name: of its runs.
    flags: of `fit` that are its own.
    epochs: of a run.
    start: seconds of a run before its first step.
    train, val: pictures/s of training and of evaluation.
    passes: how many times a frozen backbone sees each training picture, where its features are kept; None where each
        epoch is a pass.
    """

    name: str
    flags: tuple[str, ...]
    epochs: int
    start: float
    train: float
    val: float
    passes: int | None = None


class Job(NamedTuple):
    """A run of a campaign: its name, its model's, its flags of `fit`, and the seconds that it is expected to take."""

    name: str
    model: str
    flags: tuple[str, ...]
    seconds: float


class Plan(NamedTuple):
    """The jobs of a campaign in the order of their worth, and the models for which there is no time."""

    jobs: tuple[Job, ...]
    left_out: tuple[str, ...]

    def describe(self, done: Collection[str]) -> str:
        """A table for a terminal."""
        rows = [
            [job.name, "train+val" if job.name.endswith(ALL) else "train", self._minutes(job, done)]
            for job in self.jobs
        ]
        return text_table(["run", "trained on", "minutes"], rows, ["minutes"])

    def _minutes(self, job: Job, done: Collection[str]) -> str:
        return "done" if job.name in done else number(job.seconds / 60, 1)


def make_plan(models: Sequence[Model], records: Mapping[str, int], seconds: float, done: Collection[str]) -> Plan:
    """Choose what fits: each model once, and again on train and val together; then with further seeds.

    The first run is always planned, so that there is a submission.

    Args:
        records: how many there are of train, val and test.
        seconds: the budget.
        done: names of runs that are finished, and cost nothing.
    """
    left = seconds * (1 - RESERVE)
    jobs: list[Job] = []
    for pair in _pairs(models, records):
        for job in pair:
            cost = 0.0 if job.name in done else job.seconds
            if cost > left and jobs:
                break
            jobs.append(job)
            left -= cost
    planned = {job.model for job in jobs}
    return Plan(tuple(jobs), tuple(model.name for model in models if model.name not in planned))


def _pairs(models: Sequence[Model], records: Mapping[str, int]) -> Iterator[tuple[Job, Job]]:
    """The run of each model by which choices are made, and that of the last round; all models before the next seed."""
    for seed in range(_MOST_SEEDS):
        for model in models:
            flags = (*model.flags, f"--seed_everything={seed}")
            first = Job(f"{model.name}-seed{seed}", model.name, flags, seconds_of(model, records))
            everything = {**records, "train": records["train"] + records["val"], "val": 0}
            again = (*flags, "--data.train_on=train+val")
            yield first, Job(f"{first.name}{ALL}", model.name, again, seconds_of(model, everything))


def seconds_of(model: Model, records: Mapping[str, int]) -> float:
    """What a run is expected to take, with predictions of val and test, once plain and once of their views."""
    predicted = (1 + _TTA_VIEWS) * (records["val"] + records.get("test", 0)) / model.val
    if model.passes is not None:
        return model.start + (model.passes * records["train"] + records["val"]) / model.val + predicted
    epoch = records["train"] / model.train + records["val"] / model.val
    return model.start + model.epochs * epoch + predicted
