"""A campaign: what it trains and predicts, in which order, and the answer that it always has."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning_flowers.compete import jobs
from lightning_flowers.compete.answer import Answer, Blender
from lightning_flowers.compete.folds import join_folds, of_views, write_teacher
from lightning_flowers.compete.leaks import FILE, NONE, read_leaks
from lightning_flowers.compete.plan import ALL, DISTILLED, RESERVE, Job, Model, Plan, fold_flags, make_plan
from lightning_flowers.data.conversion.opening import open_data
from lightning_flowers.ensemble.scoring import PLAIN
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.run.budget import Budget
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say


class Campaign:
    """A folder with all that a competition's submission was made of; begun again, it goes on.

    Args:
        folder: of the campaign.
        models: names and flags of those that take part.
        shared: flags of `fit` that all have.
        budget: its time.
        folds: into how many train and val are cut; None trains on train and chooses by val.
        pseudo_labels: whether models learn from what they say of test too.
        distilled: name and flags of a model that learns from the blend in the end.

    Attributes:
        failed: what was left out, and why.
        leaks: what the check found.

    Raises:
        UserError: the folder was begun with other settings.
    """

    def __init__(
        self,
        folder: Path,
        models: dict[str, Sequence[str]],
        shared: Sequence[str],
        budget: Budget,
        folds: int | None = None,
        pseudo_labels: bool = False,
        distilled: tuple[str, Sequence[str]] | None = None,
    ) -> None:
        self._pseudo_labels, self._distilled = pseudo_labels, distilled
        self._pace = 1.0  # how many times as long as planned the last run took: a machine may have become busy
        self.folder, self.runs, self.log = folder, folder / "runs", folder / "log.txt"
        self._models, self._shared, self._budget, self._folds = models, list(shared), budget, folds
        self._state: dict[str, Any] = {"asked": {}, "probes": {}, "records": {}, "cut": []}
        self._file = folder / "campaign.json"
        if self._file.is_file():
            self._state |= json.loads(self._file.read_text("utf-8"))
        known = self._state["asked"]
        wanted = models | ({DISTILLED: [f"--distill={distilled[0]}", *distilled[1]]} if distilled else {})
        asked = {name: jobs.asked([*flags, *self._shared, *fold_flags(folds)]) for name, flags in wanted.items()}
        if any(known.get(name, flags) != flags for name, flags in asked.items()):
            raise UserError(f"{folder}: was begun with other settings: give another --name, or the same")
        self._state["asked"] = known | asked
        self.failed: dict[str, str] = {}
        self.leaks = NONE

    def plan(self) -> Plan:
        """What fits into the time that is left, by the speed that each model has here.

        Raises:
            UserError: none of them can be trained.
        """
        data = jobs.settings_of([*next(iter(self._models.values())), *self._shared])["data"]
        skips = data.get("on_bad_record") == "skip"
        source = open_data(data["root"], data.get("size"), data.get("features"), skips)
        if not any(source.has("test", size) for size in source.sizes):
            raise UserError("compete: the data have no test split to predict: train with fit")
        self._blender = Blender(self.folder, source.sample_submission())
        # Pictures of other kinds have shards by now.
        self._look_for_leaks(source.where if source.origin else data["root"])
        known = []
        for name, flags in self._models.items():
            if model := self._probe(name, [*flags, *self._shared]):
                known.append(model)
        if not known:
            raise UserError(f"compete: {'; '.join(f'{name}: {why}' for name, why in self.failed.items())}")
        there = jobs.progress(self.runs, self._state["cut"])
        small = self._probe(self._distilled[0], [*self._distilled[1], *self._shared]) if self._distilled else None
        for name, why in self.failed.items():
            self._leave_out(name, why)
        more = (self._folds, self._pseudo_labels, small)
        return make_plan(known, self._state["records"], self._budget.left, there, *more)

    def run(self, plan: Plan) -> Answer:
        """Train what is planned, blend, and train the chosen on train and val together.

        Raises:
            UserError: nothing could be trained.
        """
        # For the last round of the models so far, which is worth more than the next model, and for the distilled one.
        kept = sum(job.seconds for job in plan.jobs if job.name == DISTILLED)
        # What was there before has had its submission, which may be of more than a choice by these: of a last round.
        members = self._members(plan) if (self.folder / "submission.csv").is_file() else {}
        for job in plan.jobs:
            if job.is_last_round:
                kept += job.seconds
            elif job.is_chosen_by and self._train(job, kept) and (now := self._members(plan)) != members:
                members = now
                self._blender.submit(list(members))
        if not members:
            raise UserError(f"compete: no run came to its end: all that they said is in {self.log}")
        views = all(self._predict_views(name, parts) for name, parts in members.items())
        answer = self._blender.submit(list(members), views, told=True)
        if self._distilled and not (self.runs / DISTILLED).exists():
            write_text(self._labels(DISTILLED), self._blender.answers.read_text("utf-8"))  # of what has not seen val
        if self._last_round(plan, answer):
            answer = self._blender.submit_last_round(answer)
        for job in plan.jobs:
            if job.name == DISTILLED:
                self._train(job)
        return answer

    def _look_for_leaks(self, root: str | None) -> None:
        say("check", "pictures that stand in two splits, or twice in one")
        found = self.folder / "records-stats"
        self._try("records stats", partial(jobs.look_for_leaks, root, found, self.log))
        self.leaks = self._blender.leaks = read_leaks(found / FILE, self._folds is not None)
        if told := self.leaks.describe():
            say("leak", told)

    def _last_round(self, plan: Plan, answer: Answer) -> bool:
        """Whether all runs that are blended are there once more, trained on train and val together."""
        planned = {job.name: job for job in plan.jobs}
        wanted = [planned.get(f"{name}{ALL}") for name, weight in answer.runs.items() if weight]
        kept = sum(job.seconds for job in plan.jobs if job.name == DISTILLED)
        if not all(job and self._train(job, kept) for job in wanted):
            return False
        return answer.option.views == PLAIN or all(self._predict_mirrored(job.name) for job in wanted if job)

    def _probe(self, name: str, flags: Sequence[str]) -> Model | None:
        if name not in self._state["probes"]:
            say("probe", f"{name}: how fast it is here")
            given = (name, flags, fold_flags(self._folds), self.folder / "probes", self.log)
            try:
                model, self._state["records"] = jobs.probe(*given)
            except UserError as error:
                self.failed[name] = str(error)
                return None
            self._state["probes"][name] = model._asdict()
            self._save()
        found = self._state["probes"][name]
        return Model(**{**found, "flags": tuple(flags)})

    def _train(self, job: Job, kept: float = 0.0) -> bool:
        """Whether a run is there, trained now if it is not; what fails or has no time is told and left out.

        Args:
            kept: seconds of what is left that are not for it.
        """
        is_there, is_cut = jobs.is_done(self.runs, job.name), job.name in self._state["cut"]
        left, kept, seconds = self._budget.left, kept * self._pace, job.seconds * self._pace
        if is_there and (not is_cut or left <= kept):
            return True
        first = is_cut or not any(jobs.is_done(self.runs, path.name) for path in self.runs.glob("*"))
        if left - kept < seconds and not first:
            self._leave_out(job.name, "no time is left for it")
            return False
        say("train", f"{job.name}: about {seconds / 60:.1f} of {max(left, 0) / 60:.1f} minutes")
        return self._try(job.name, partial(self._fit, job, (left - kept * is_cut) * (1 - RESERVE)))

    def _fit(self, job: Job, seconds: float) -> None:
        if job.is_taught:
            job = job._replace(flags=(*job.flags, f"--data.pseudo_labels={self._taught(job)}"))
        began = time.monotonic()
        is_cut = jobs.train(job, self.runs, self.log, seconds)
        if job.seconds and not is_cut:
            self._pace = max(1.0, (time.monotonic() - began) / job.seconds)
        self._state["cut"] = sorted({*self._state["cut"], job.name} if is_cut else {*self._state["cut"]} - {job.name})
        self._save()

    def _taught(self, job: Job) -> Path:
        """The labels that it is trained with; a run that goes on has the same."""
        path = self._labels(job.name)
        if not path.is_file():
            there = [RunFolder(self.runs / name) for name in job.teachers if jobs.is_done(self.runs, name)]
            if not there:
                raise jobs.CommandError("none of its teachers is there")
            write_teacher(there, RunFolder(path.parents[1]))
        return path

    def _labels(self, name: str) -> Path:
        return RunFolder(self.folder / "teachers" / name).answers("test")

    def _predict_views(self, name: str, parts: Sequence[str]) -> bool:
        """Whether a member's predictions of mirrored pictures are there, made now if they are not."""
        if not all(self._predict_mirrored(part) for part in parts):
            return False
        if self._folds:
            join_folds([of_views(self.runs, part) for part in parts], of_views(self.runs, name))
        return True

    def _predict_mirrored(self, name: str) -> bool:
        out = of_views(self.runs, name).path.name
        if jobs.is_done(self.runs, out):
            return True
        work = partial(jobs.predict_views, self.runs, name, self._shared, self.log)
        return self._budget.left > 0 and self._try(out, work)

    def _members(self, plan: Plan) -> dict[str, list[str]]:
        """What can be blended now, and the runs that each is made of: itself, or its folds. Of models whose folds are
        not all there the first counts, where there is no other."""
        parts: dict[str, list[str]] = {}
        for job in plan.jobs:
            if job.is_chosen_by and jobs.is_done(self.runs, job.name):
                parts.setdefault(job.member, []).append(job.name)
        if not self._folds:
            return parts
        whole = {name: folds for name, folds in parts.items() if len(folds) == self._folds} or dict(
            list(parts.items())[:1]
        )
        for name, folds in whole.items():
            join_folds([RunFolder(self.runs / fold) for fold in folds], RunFolder(self.runs / name))
        return whole

    def _try(self, name: str, work: Callable[[], object]) -> bool:
        """Whether work succeeds; what fails is told and left out."""
        try:
            work()
        except jobs.CommandError as error:
            self._leave_out(name, str(error))
            return False
        return True

    def _leave_out(self, name: str, why: str) -> None:
        self.failed[name] = why
        say("left out", f"{name}: {why}")

    def _save(self) -> None:
        write_text(self._file, json.dumps(self._state, indent=2) + "\n")
