"""What to train within a budget of hours, as pure functions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lightning_flowers.markdown import number, text_table

RESERVE = 0.15  # of the budget, for what probes do not see: starts of processes, checkpoints, blends
ALL = "-all"  # how the name of a run of the last round ends
PSEUDO = "-pseudo"  # and that of a member that is trained on what the others say of test
DISTILLED = "distilled"  # the run that learns from the blend
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
    teachers: runs whose mean says what pseudo-labels it is trained with; none without.
    """

    name: str
    model: str
    flags: tuple[str, ...]
    seconds: float
    member: str
    teachers: tuple[str, ...] = ()

    @property
    def is_last_round(self) -> bool:
        """Whether it is trained on train and val together."""
        return self.name.endswith(ALL)

    @property
    def is_chosen_by(self) -> bool:
        """Whether it may be blended, and is scored on val."""
        return not self.is_last_round and self.name != DISTILLED

    @property
    def is_taught(self) -> bool:
        """Whether it is trained with pseudo-labels."""
        return bool(self.teachers) or self.name == DISTILLED


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
    pseudo_labels: bool = False,
    distilled: Model | None = None,
) -> Plan:
    """Choose what fits: each model once, and again on train and val together; then with further seeds.

    With folds each model's come in place of these two; all of a model's, or none. The first run is always planned, so
    that there is a submission, and so is what has begun: cut short, it may have answers that are blended.

    Args:
        records: how many there are of train, val and test; with folds, of the first of them.
        seconds: the budget.
        progress: how much of each run is there, by its name; 1 of what costs nothing any more.
        pseudo_labels: have the models learn from what they say of test too, before further seeds.
        distilled: a model that learns from the blend in the end, if there is time for that beside the first model's
            run, or all its folds.
    """
    left = seconds * (1 - RESERVE)
    jobs: list[Job] = []
    members = list(_members(models, records, pseudo_labels))
    groups = [
        [job._replace(seconds=job.seconds * (1 - progress.get(job.name, 0.0))) for job in group]
        for group in (_folds(members, folds) if folds else _pairs(members))
    ]
    last = [_distilled(distilled, records, folds, progress)] if distilled else []
    first = sum(job.seconds for job in groups[0][: folds or 1])
    if not progress.get(DISTILLED) and sum(job.seconds for job in last) > left - first:
        last = []  # it stands in for a blend: what that is made of comes first
    left -= sum(job.seconds for job in last)
    for wanted in groups:
        begun = {job.name for job in wanted if progress.get(job.name)}
        if folds and jobs and sum(job.seconds for job in wanted) > left and len(begun) < folds:
            continue
        for job in wanted:
            if job.seconds > max(left, 0) and jobs and job.name not in begun:
                break
            jobs.append(job)
            left -= job.seconds
    planned = {job.model for job in jobs} | {job.name for job in last}
    asked = [*(model.name for model in models), *([DISTILLED] if distilled else [])]
    return Plan((*jobs, *last), tuple(name for name in asked if name not in planned))


class _Member(NamedTuple):
    """A model with a seed, and with teachers or none; records: what it is trained and scored on, and predicts."""

    name: str
    model: Model
    flags: tuple[str, ...]
    records: Mapping[str, int]
    teachers: tuple[str, ...] = ()


def _pairs(members: Sequence[_Member]) -> Iterator[list[Job]]:
    """The run of each member by which choices are made, and that of the last round."""
    for name, model, flags, records, teachers in members:
        everything = {**records, "train": records["train"] + records["val"], "val": 0}
        again = (*flags, "--data.train_on=train+val")
        yield [
            Job(name, model.name, flags, seconds_of(model, records), name, teachers),
            Job(f"{name}{ALL}", model.name, again, seconds_of(model, everything), name, teachers),
        ]


def _folds(members: Sequence[_Member], folds: int) -> Iterator[list[Job]]:
    """All folds of each member, each taught by the same fold of others: these have not seen its val either."""
    for name, model, flags, records, teachers in members:
        seconds = seconds_of(model, records)
        jobs = []
        for fold in range(folds):
            own, of = (*flags, *fold_flags(folds, fold)), f"-fold{fold}"
            jobs.append(Job(f"{name}{of}", model.name, own, seconds, name, tuple(f"{each}{of}" for each in teachers)))
        yield jobs


def _distilled(model: Model, records: Mapping[str, int], folds: int | None, progress: Mapping[str, float]) -> Job:
    """Of folds, what the blend says of test has learnt from all of train and val."""
    flags = (*model.flags, "--data.pseudo_threshold=0", *(["--data.train_on=train+val"] if folds else []))
    seconds = seconds_of(model, {**records, "train": records["train"] + records["val"] * bool(folds) + records["test"]})
    return Job(DISTILLED, model.name, flags, seconds * (1 - progress.get(DISTILLED, 0.0)), DISTILLED)


def fold_flags(folds: int | None, fold: int = 0) -> list[str]:
    """The flags of `fit` for one of several folds; none without folds."""
    return [f"--data.folds={folds}", f"--data.fold={fold}"] if folds else []


def _members(models: Sequence[Model], records: Mapping[str, int], pseudo_labels: bool) -> Iterator[_Member]:
    """All models before the next seed."""
    more, teachers = {**records, "train": records["train"] + records["test"]}, tuple(f"{m.name}-seed0" for m in models)
    for seed in range(_MOST_SEEDS):
        flags = f"--seed_everything={seed}"
        for model in models:
            yield _Member(f"{model.name}-seed{seed}", model, (*model.flags, flags), records)
        if pseudo_labels and seed == 0:
            for model in models:
                yield _Member(f"{model.name}{PSEUDO}", model, (*model.flags, flags), more, teachers)


def _trained_on(job: Job) -> str:
    with_test = " and pseudo-labels of test" if job.is_taught else ""
    if job.is_last_round or "--data.train_on=train+val" in job.flags:
        return f"train+val{with_test}"
    return f"{'train' if job.name == job.member else 'folds of train+val'}{with_test}"


def seconds_of(model: Model, records: Mapping[str, int]) -> float:
    """What a run is expected to take, with predictions of val and test, once plain and once of their views."""
    predicted = (1 + _TTA_VIEWS) * (records["val"] + records.get("test", 0)) / model.val
    if model.passes is not None:
        return model.start + (model.passes * records["train"] + records["val"]) / model.val + predicted
    epoch = records["train"] / model.train + records["val"] / model.val
    return model.start + model.epochs * epoch + predicted
