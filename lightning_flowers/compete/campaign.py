"""A campaign: what it trains and predicts, in which order, and the answer that it always has."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.cli.child import with_contents
from lightning_flowers.compete import jobs
from lightning_flowers.compete.choice import FLIPS, PLAIN, Option, Step, choose, decide, steps_of, weights_of
from lightning_flowers.compete.plan import ALL, RESERVE, Job, Model, Plan, make_plan
from lightning_flowers.data.conversion.opening import open_data
from lightning_flowers.data.sources.competition import Source
from lightning_flowers.ensemble.members import read_members
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import read_run
from lightning_flowers.run.submission import write_submission


class Answer(NamedTuple):
    """What a campaign has come to.

    steps: what each kind of choice brings on val.
    option: what was chosen.
    runs: names of the runs whose predictions are blended, and the weight of each.
    last_round: whether runs on train and val together stand in for those that the choice was made by.
    """

    steps: list[Step]
    option: Option
    runs: dict[str, float]
    last_round: bool


class Campaign:
    """A folder with all that a competition's submission was made of; begun again, it goes on.

    Args:
        folder: of the campaign.
        models: names and flags of those that take part.
        shared: flags of `fit` that all have.
        seconds: the budget, from now.

    Raises:
        UserError: the folder was begun with other settings.
    """

    def __init__(self, folder: Path, models: dict[str, Sequence[str]], shared: Sequence[str], seconds: float) -> None:
        self.folder, self.runs, self.log = folder, folder / "runs", folder / "log.txt"
        self._models, self._shared = models, list(shared)
        self._end = time.monotonic() + seconds
        self._source: Source | None = None
        self._state: dict[str, Any] = {"asked": {}, "probes": {}, "records": {}}
        self._file = folder / "campaign.json"
        if self._file.is_file():
            self._state = json.loads(self._file.read_text("utf-8"))
        known = self._state["asked"]
        asked = {name: with_contents([*flags, *self._shared]) for name, flags in models.items()}
        if any(known.get(name, flags) != flags for name, flags in asked.items()):
            raise UserError(f"{folder}: was begun with other settings: give another --name, or the same")
        self._state["asked"] = known | asked
        self.failed: dict[str, str] = {}

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self._end - time.monotonic()

    def plan(self) -> Plan:
        """What fits into the time that is left, by the speed that each model has here.

        Raises:
            UserError: none of them can be trained.
        """
        data = jobs.settings_of(self._shared)["data"]
        skips = data.get("on_bad_record") == "skip"
        self._source = open_data(data["root"], data.get("size"), data.get("features"), skips)
        # Pictures of other kinds have shards by now.
        root = self._source.where if self._source.origin else data["root"]
        say("check", "pictures that stand in two splits, or twice in one")
        self._try("records stats", partial(jobs.look_for_leaks, root, self.folder / "records-stats", self.log))
        known = []
        for name, flags in self._models.items():
            if model := self._probe(name, [*flags, *self._shared]):
                known.append(model)
        if known and not self._state["records"].get("test"):
            raise UserError("compete: the data have no test split to predict: train with fit")
        if not known:
            raise UserError(f"compete: {'; '.join(f'{name}: {why}' for name, why in self.failed.items())}")
        done = [path.name for path in self.runs.glob("*") if jobs.is_done(self.runs, path.name)]
        return make_plan(known, self._state["records"], self.left, done)

    def run(self, plan: Plan) -> Answer:
        """Train what is planned, blend, and train the chosen on train and val together.

        Raises:
            UserError: nothing could be trained.
        """
        kept = 0.0  # for the last round of the models so far, which is worth more than the next model
        for job in plan.jobs:
            if job.name.endswith(ALL):
                kept += job.seconds
            elif self._train(job, kept):
                self._submit_blend(self._trained(plan))
        names = self._trained(plan)
        if not names:
            raise UserError(f"compete: {'; '.join(f'{name}: {why}' for name, why in self.failed.items())}")
        views = all(self._predict_views(name) for name in names)
        answer = self._submit_blend(names, views, told=True)
        return self._submit_last_round(names, answer) if self._last_round(plan, answer) else answer

    def _last_round(self, plan: Plan, answer: Answer) -> bool:
        """Whether all runs that are blended are there once more, trained on train and val together."""
        planned = {job.name: job for job in plan.jobs}
        wanted = [planned.get(f"{name}{ALL}") for name, weight in answer.runs.items() if weight]
        if not all(job and self._train(job) for job in wanted):
            return False
        return answer.option.views == PLAIN or all(self._predict_views(job.name) for job in wanted if job)

    def _probe(self, name: str, flags: Sequence[str]) -> Model | None:
        if name not in self._state["probes"]:
            say("probe", f"{name}: how fast it is here")
            try:
                model, self._state["records"] = jobs.probe(name, flags, self.folder / "probes", self.log)
            except UserError as error:
                self.failed[name] = str(error)
                say("left out", f"{name}: {error}")
                return None
            self._state["probes"][name] = model._asdict()
            write_text(self._file, json.dumps(self._state, indent=2) + "\n")
        found = self._state["probes"][name]
        return Model(**{**found, "flags": tuple(found["flags"])})

    def _train(self, job: Job, kept: float = 0.0) -> bool:
        """Whether a run is there, trained now if it is not; what fails or has no time is told and left out.

        Args:
            kept: seconds of what is left that are not for it.
        """
        if jobs.is_done(self.runs, job.name):
            return True
        first = not any(jobs.is_done(self.runs, path.name) for path in self.runs.glob("*"))
        if self.left - kept < job.seconds and not first:
            self._leave_out(job.name, "no time is left for it")
            return False
        say("train", f"{job.name}: about {job.seconds / 60:.1f} of {self.left / 60:.1f} minutes")
        return self._try(job.name, partial(jobs.train, job, self.runs, self.log, self.left * (1 - RESERVE)))

    def _predict_views(self, name: str) -> bool:
        views = partial(jobs.predict_views, self.runs, name, self.log)
        return self.left > 0 and self._try(f"{name}-{FLIPS}", views)

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

    def _trained(self, plan: Plan) -> list[str]:
        return [job.name for job in plan.jobs if not job.name.endswith(ALL) and jobs.is_done(self.runs, job.name)]

    def _submit_blend(self, names: Sequence[str], views: bool = False, told: bool = False) -> Answer:
        """Choose by val, and write the submission.

        Args:
            views: whether predictions of mirrored pictures are there too.
            told: find out what each step brings, which takes longer.
        """
        val, labels = self._val(names, views)
        steps = steps_of(val, labels) if told else []
        option = steps[-1].option if steps else choose(val, labels)
        weights = weights_of(option, val, labels)
        self._submit(names, option, weights, val, labels)
        return Answer(steps, option, dict(zip(names, weights.tolist(), strict=True)), last_round=False)

    def _submit_last_round(self, names: Sequence[str], answer: Answer) -> Answer:
        """Write the submission of the runs on train and val together, weighed and decided as before."""
        val, labels = self._val(names, answer.option.views != PLAIN)
        weights = np.array([answer.runs[name] for name in names])
        used = [f"{name}{ALL}" if answer.runs[name] else name for name in names]
        self._submit(used, answer.option, weights, val, labels)
        return answer._replace(last_round=True)

    def _val(self, names: Sequence[str], views: bool) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int64]]:
        """Val's probabilities (runs, records, classes) by the views, and its labels."""
        folders = {seen: [self._of_views(name, seen) for name in names] for seen in (PLAIN, FLIPS)[: 1 + views]}
        members = {seen: read_members(paths, least=1) for seen, paths in folders.items()}
        return {seen: each.val.probabilities for seen, each in members.items()}, members[PLAIN].labels

    def _of_views(self, name: str, views: str) -> Path:
        return self.runs / (name if views == PLAIN else f"{name}-{views}")

    def _submit(
        self,
        names: Sequence[str],
        option: Option,
        weights: NDArray[np.float64],
        val: Mapping[str, NDArray[np.float32]],
        labels: NDArray[np.int64],
    ) -> None:
        folders = [RunFolder(self._of_views(name, option.views)) for name in names]
        test, probabilities = read_test(folders)
        blend, decided = decide(option, weights, val[option.views], labels, probabilities)
        predictions = Predictions(test[0].ids, blend, external=any(each.external for each in test))
        predictions.save(self.folder / "predictions" / "test.npz")
        assert self._source is not None  # of the plan
        sample = self._source.sample_submission()
        for path in write_submission(self.folder / "submission.csv", predictions, sample, decided):
            say("submission", str(path))


def read_test(folders: Sequence[RunFolder]) -> tuple[list[Predictions], NDArray[np.float32]]:
    """The predictions of test, and their probabilities (runs, records, classes).

    Raises:
        UserError: they are not of the same records and classes in the same order, as data were changed meanwhile.
    """
    test = [Predictions.load(folder.predictions("test")) for folder in folders]
    classes = [read_run(folder.path).data.class_names for folder in folders]
    for folder, each, names in zip(folders, test, classes, strict=True):
        if names != classes[0] or not np.array_equal(each.ids, test[0].ids):
            raise UserError(
                f"{folder.path}: has other test records or classes than {folders[0].path}, or in another order: the "
                "data were changed between them: begin anew with another --name"
            )
    return test, np.stack([each.probabilities for each in test])
