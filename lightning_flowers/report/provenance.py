"""How the predictions of a run were made, what that means for its scores, and the commands that make them again."""

from pathlib import Path

from lightning_flowers.cli.commands import command
from lightning_flowers.report.facts import Badge, Fact, as_fact
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import BlendInfo, PredictionInfo, Run

_ADJUSTED = "adjusted"
_FITTED = "The weights of the blend were fitted on these val records: on others expect its cross-validated macro F1."
_CHOSEN = "The members of the soup were chosen on these val records: expect less on other records."
_BEST = "The best epoch was chosen by these val records: on others expect a little less."
_PLAIN = "These scores are of the most probable classes; the labels of the submission are of adjusted logits"


def badges(run: Run) -> list[Badge]:
    """Views and decision where they are not the plain ones, and what a blend warns of."""
    made, blend = run.predictions or PredictionInfo(), run.ensemble or BlendInfo()
    found = [Badge("plain", f"views: {made.tta}")] if made.tta != "none" else []
    if _ADJUSTED in (made.decision, blend.decision):
        found.append(Badge("plain", "decided: adjusted logits"))
    return [*found, Badge("warning", blend.warning)] if blend.warning else found


def scores(run: Run) -> list[Fact]:
    """What a blend is worth on records that it was not fitted on; nothing of other runs."""
    if run.ensemble is None:
        return []
    blend, best = run.ensemble.macro_f1_cross_validated, run.ensemble.macro_f1_of_best_run_cross_validated
    return [
        as_fact("macro-f1-cross-validated", "macro F1, cross-validated within val", blend, 4),
        as_fact("best-run-cross-validated", "the same of the best run by itself", best, 4),
    ]


def notes(run: Run) -> list[str]:
    """What has to be said of the scores on val: that something was fitted on them, or that they are not all."""
    found = [_FITTED] if run.ensemble and run.ensemble.weights == "search" else []
    if run.soup and run.soup.method == "greedy":
        found.append(_CHOSEN)
    if run.best and len(run.history) > 1 and not run.predictions_of:
        found.append(_BEST)
    made = run.predictions or PredictionInfo()
    if run.ensemble and run.ensemble.decision == _ADJUSTED:
        found.append(f"{_PLAIN}, as are the cross-validated figures.")
    elif made.decision == _ADJUSTED:
        found.append(f"{_PLAIN}.")
    return found


def repeat(run: Run) -> str:
    """The commands that make the run and its predictions again, a line each."""
    made = run.predictions or PredictionInfo()
    if run.predictions_of:
        return _predict(run.predictions_of, made, f"--out={run.path}")
    first = run.command or command("fit", "--config", RunFolder(run.path).config)
    plain = (made.tta, made.decision) == ("none", "argmax")
    return first if plain else f"{first}\n{_predict(run.path, made)}"


def _predict(of: str | Path, made: PredictionInfo, *more: str) -> str:
    flag = "--ckpt_path" if Path(of).suffix == ".ckpt" else "--run"
    return command("predict", flag, of, f"--tta={made.tta}", f"--decision={made.decision}", *more)
