"""The page of a campaign: what it trained, what each step brought, and what was left out."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.compete.answer import Answer
from lightning_flowers.compete.choice import describe
from lightning_flowers.compete.leaks import FILE, Leaks
from lightning_flowers.compete.plan import ALL, DISTILLED
from lightning_flowers.files import write_text
from lightning_flowers.markdown import markdown_table, number
from lightning_flowers.report.page import render
from lightning_flowers.run.results import Data, Run

_STEPS = """\
Macro F1 on val, over all classes. "in-sample" is of the records that weights and decision were fitted on; \
"cross-validated" is what the choice was made by, a little too good; "nested" is of records that took no part in \
choosing, weighing or deciding: believe that one. The last step is taken, as its cross-validated score is the \
highest, also where an earlier one has a higher nested figure: chosen by those, none could be believed any more. \
Only the best epoch of each run was chosen by all of val before."""
_LAST_ROUND = """\
The submission is of runs on train and val together, with the weights and the decision that were chosen before: \
nothing can be scored on val any more."""
_FOLDS = """\
Val is train and val here, as far as their folds are there, each record predicted by the fold that was not trained on \
it. The submission is of the mean of a model's folds."""


class Section(NamedTuple):
    """A part of the page: text, and a table whose columns in `right` are of numbers."""

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str]


def write_page(
    folder: Path, answer: Answer, runs: Sequence[Run], left_out: Mapping[str, str], leaks: Leaks, command: str
) -> Path:
    """Write campaign.md and campaign.html; gives the latter's path."""
    sections = [_steps(answer, any(run.data.folds for run in runs)), _runs(answer, runs)]
    if leaks.pairs:
        rows = [[where, f"{count:,}"] for where, count in leaks.pairs.items()]
        text = f"Pictures that stand in two splits; {FILE} of records-stats has them."
        sections.append(Section("Leaks", text, ["splits", "pairs"], rows, ["pairs"]))
    if left_out:
        rows = [[name, why] for name, why in left_out.items()]
        sections.append(Section("Left out", "", ["what", "why"], rows, []))
    title = f"{folder.name}: macro F1 {answer.steps[-1].nested:.4f} on val, nested, of the step taken"
    write_text(folder / "campaign.md", _markdown(title, sections, command))
    page = folder / "campaign.html"
    contents = {"title": title, "sections": sections, "command": command}
    write_text(page, render("lightning_flowers.compete", "campaign.html", contents))
    return page


def _steps(answer: Answer, folded: bool) -> Section:
    header = ["step", "chosen", "in-sample", "cross-validated", "nested"]
    rows = [[step.name, describe(step.option), *(number(score, 4) for score in step[2:])] for step in answer.steps]
    text = " ".join([_STEPS, _FOLDS * folded, answer.leaked, _LAST_ROUND * answer.last_round])
    return Section("What each step brought", text, header, rows, header[2:])


def _runs(answer: Answer, runs: Sequence[Run]) -> Section:
    header = ["run", "trained on", "epochs", "val macro F1", "minutes", "weight"]
    rows = [
        [
            run.path.name,
            _trained_on(run.data),
            str(run.epochs or 0),
            number(run.best.val_macro_f1 if run.best else None, 4),
            number(sum(epoch.seconds or 0.0 for epoch in run.history) / 60, 1),
            number(answer.runs.get(re.sub(r"-fold\d+$", "", run.path.name)), 3),
        ]
        for run in runs
    ]
    one = f"One model to serve, classify or export with: {describe_served(runs)}."
    return Section("Runs", f"Each has a page of its own in its folder. {one}", header, rows, header[2:])


def describe_served(runs: Sequence[Run]) -> str:
    """The folder of the one run that is best given to `serve`, and what it was trained on: the distilled one, else the
    best on train and val together, by the score of the run that it repeats, else the best of all."""
    scores = {run.path.name: run.best.val_macro_f1 or 0.0 if run.best else 0.0 for run in runs}

    def worth(run: Run) -> tuple[bool, bool, float]:
        name = run.path.name
        return name == DISTILLED, name.endswith(ALL), scores.get(name.removesuffix(ALL), 0.0)

    best = max(runs, key=worth)
    return f"{best.path} (trained on {_trained_on(best.data)})"


def _trained_on(data: Data) -> str:
    own = data.train_on if data.folds is None else f"all but fold {data.fold} of {data.folds}"
    return f"{own}, {data.pseudo_labelled:,} pseudo-labels" if data.pseudo_labelled else own


def _markdown(title: str, sections: Sequence[Section], command: str) -> str:
    parts = [f"# {title}\n", f"    {command}\n"]
    for one in sections:
        parts += [f"## {one.title}\n", f"{one.text}\n", f"{markdown_table(one.header, one.rows, one.right)}\n"]
    return "\n".join(parts)
