"""What to train within a budget of hours, as pure functions."""

from collections.abc import Iterator, Mapping, Sequence
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
    """A run of a campaign.

    name: of the run.
    model: its model's name.
    flags: of `fit`.
    seconds: that it is expected to take, or what is left of them; 0 of one that is there.
    member: what it is blended as: the name of the run itself, or of all its model's folds.
    """

    name: str
    model: str
    flags: tuple[str, ...]
    seconds: float
    member: str

    @property
    def is_last_round(self) -> bool:
        """Whether it is trained on train and val together."""
        return self.name.endswith(ALL)


class Plan(NamedTuple):
    """The jobs of a campaign in the order of their worth, and the models for which there is no time."""

    jobs: tuple[Job, ...]
    left_out: tuple[str, ...]

    def describe(self) -> str:
        """A table for a terminal."""
        rows = [
            [job.name, _trained_on(job), number(job.seconds / 60, 1) if job.seconds else "done"] for job in self.jobs
        ]
        return text_table(["run", "trained on", "minutes"], rows, ["minutes"])


def make_plan(
    models: Sequence[Model],
    records: Mapping[str, int],
    seconds: float,
    progress: Mapping[str, float],
    folds: int | None = None,
) -> Plan:
    """Choose what fits: each model once, and again on train and val together; then with further seeds.

    With folds each model's come in place of these two; all of a model's, or none. The first run is always planned, so
    that there is a submission, and so is what has begun: cut short, it may have answers that are blended.

    Args:
        records: how many there are of train, val and test; with folds, of the first of them.
        seconds: the budget.
        progress: how much of each run is there, by its name; 1 of what costs nothing any more.
    """
    left = seconds * (1 - RESERVE)
    jobs: list[Job] = []
    for group in _folds(models, records, folds) if folds else _pairs(models, records):
        wanted = [job._replace(seconds=job.seconds * (1 - progress.get(job.name, 0.0))) for job in group]
        begun = {job.name for job in wanted if progress.get(job.name)}
        if folds and jobs and sum(job.seconds for job in wanted) > left and len(begun) < folds:
            continue
        for job in wanted:
            if job.seconds > max(left, 0) and jobs and job.name not in begun:
                break
            jobs.append(job)
            left -= job.seconds
    planned = {job.model for job in jobs}
    return Plan(tuple(jobs), tuple(model.name for model in models if model.name not in planned))


def _pairs(models: Sequence[Model], records: Mapping[str, int]) -> Iterator[list[Job]]:
    """The run of each model by which choices are made, and that of the last round; all models before the next seed."""
    everything = {**records, "train": records["train"] + records["val"], "val": 0}
    for model, member, flags in _members(models):
        again = (*flags, "--data.train_on=train+val")
        yield [
            Job(member, model.name, flags, seconds_of(model, records), member),
            Job(f"{member}{ALL}", model.name, again, seconds_of(model, everything), member),
        ]


def _folds(models: Sequence[Model], records: Mapping[str, int], folds: int) -> Iterator[list[Job]]:
    """All folds of each model; all models before the next seed."""
    for model, member, flags in _members(models):
        seconds = seconds_of(model, records)
        yield [
            Job(f"{member}-fold{fold}", model.name, (*flags, *fold_flags(folds, fold)), seconds, member)
            for fold in range(folds)
        ]


def fold_flags(folds: int | None, fold: int = 0) -> list[str]:
    """The flags of `fit` for one of several folds; none without folds."""
    return [f"--data.folds={folds}", f"--data.fold={fold}"] if folds else []


def _members(models: Sequence[Model]) -> Iterator[tuple[Model, str, tuple[str, ...]]]:
    for seed in range(_MOST_SEEDS):
        for model in models:
            yield model, f"{model.name}-seed{seed}", (*model.flags, f"--seed_everything={seed}")


def _trained_on(job: Job) -> str:
    if job.is_last_round:
        return "train+val"
    return "train" if job.name == job.member else "folds of train+val"


def seconds_of(model: Model, records: Mapping[str, int]) -> float:
    """What a run is expected to take, with predictions of val and test, once plain and once of their views."""
    predicted = (1 + _TTA_VIEWS) * (records["val"] + records.get("test", 0)) / model.val
    if model.passes is not None:
        return model.start + (model.passes * records["train"] + records["val"]) / model.val + predicted
    epoch = records["train"] / model.train + records["val"] / model.val
    return model.start + model.epochs * epoch + predicted
