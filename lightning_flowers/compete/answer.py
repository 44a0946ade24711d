"""The answer of a campaign: its runs' predictions blended, decided, and written as the submission."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.compete.choice import FLIPS, Step, choose, decide, steps_of
from lightning_flowers.compete.folds import of_views, read_test
from lightning_flowers.compete.leaks import NONE
from lightning_flowers.compete.plan import ALL
from lightning_flowers.ensemble.members import read_members
from lightning_flowers.ensemble.scoring import PLAIN, Option, Val
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.predictions import Predictions, write_answers
from lightning_flowers.run.results import read_run
from lightning_flowers.run.submission import write_submission


class Answer(NamedTuple):
    """What a campaign has come to.

    steps: what each kind of choice brings on val.
    option: what was chosen.
    runs: names of the runs whose predictions are blended, and the weight of each.
    leaked: what became of records of val that would have deceived, in a sentence; "" if there are none.
    last_round: whether runs on train and val together stand in for those that the choice was made by.
    """

    steps: list[Step]
    option: Option
    runs: dict[str, float]
    leaked: str
    last_round: bool = False


class Blender:
    """Makes answers of runs.

    Args:
        folder: of the campaign.
        sample: the competition's sample submission, where there is one.

    Attributes:
        leaks: records of val that nothing is chosen by.
        answers: the table of the last submission: names and probabilities.
    """

    def __init__(self, folder: Path, sample: Path | None) -> None:
        self._folder, self._runs, self._sample, self.leaks = folder, folder / "runs", sample, NONE
        self.answers = RunFolder(folder).answers("test")

    def submit(self, names: Sequence[str], views: bool = False, told: bool = False) -> Answer:
        """Choose by val, and write the submission.

        Args:
            names: of the runs.
            views: whether predictions of mirrored pictures are there too.
            told: find out what each step brings, which takes longer.
        """
        val, leaked = self._val(names, views)
        steps = steps_of(val) if told else []
        option = steps[-1].option if steps else choose(val)
        weights = val.weights(option)
        self._write(names, option, weights, val)
        return Answer(steps, option, dict(zip(names, weights.tolist(), strict=True)), leaked)

    def submit_last_round(self, answer: Answer) -> Answer:
        """Write the submission of the runs on train and val together, weighed and decided as before."""
        names, weights = list(answer.runs), np.array(list(answer.runs.values()))
        used = [f"{name}{ALL}" if weight else name for name, weight in answer.runs.items()]
        self._write(used, answer.option, weights, self._val(names, answer.option.views != PLAIN)[0])
        return answer._replace(last_round=True)

    def _val(self, names: Sequence[str], views: bool) -> tuple[Val, str]:
        kinds = (PLAIN, FLIPS)[: 1 + views]
        folders = {seen: [of_views(self._runs, name, seen).path for name in names] for seen in kinds}
        members = {seen: read_members(paths, least=1) for seen, paths in folders.items()}
        kept, told = self.leaks.keep(members[PLAIN].val.ids)
        found = {seen: each.val.probabilities[:, kept] for seen, each in members.items()}
        return Val(found, members[PLAIN].labels[kept]), told

    def _write(self, names: Sequence[str], option: Option, weights: NDArray[np.float64], val: Val) -> None:
        test = read_test([of_views(self._runs, name, option.views) for name in names])
        probabilities = np.stack([each.probabilities for each in test])
        blend, decided = decide(option, weights, val, probabilities)
        predictions = Predictions(test[0].ids, blend, external=any(each.external for each in test))
        predictions.save(self._folder / "predictions" / "test.npz")
        classes = read_run(self._runs / names[0]).data.class_names
        write_answers(RunFolder(self._folder), "test", predictions, classes, decided)
        for path in write_submission(self._folder / "submission.csv", predictions, self._sample, decided):
            say("submission", str(path))
