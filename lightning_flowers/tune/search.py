"""The search: trials, each a `fit` of its own, that Optuna proposes, prunes by epoch and remembers."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_flowers.cli.child import INTERRUPTED, last_words, run_command, with_contents
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import read_run
from lightning_flowers.tune.space import Space

STARTUP_TRIALS = 5  # that are drawn at random, and never pruned: Optuna's own number for its pruner
_GIVE_UP_AFTER = 3  # trials in a row that fail
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_QUIET = ("--report=false", "--predict=false", "--trainer.enable_progress_bar=false", "--trainer.logger=false")


class Search(NamedTuple):
    """What is searched, and where its trials are kept.

    folder: of the search; `trials/0003` in it is the run folder of a trial, `trials/0003.log` what it said.
    space: what may vary.
    fixed: flags of `fit` that all trials have.
    storage: Optuna's URL of a database that several hosts share; None for a journal in the folder.
    seed: of the proposals.
    """

    folder: Path
    space: Space
    fixed: tuple[str, ...]
    storage: str | None = None
    seed: int = 0


def open_study(search: Search) -> optuna.Study:
    """The study: a new one, or the one that was begun.

    Raises:
        UserError: it was begun with other settings, or the storage cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=STARTUP_TRIALS)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
    try:
        study = optuna.create_study(
            storage=_storage(search),
            sampler=sampler,
            pruner=pruner,
            study_name=search.folder.name,
            direction="maximize",
            load_if_exists=True,
        )
    except Exception as error:  # databases and their drivers fail in many ways
        raise UserError(f"--storage={search.storage}: {' '.join(str(error).split())}") from error
    _check_same(study, search)
    return study


def run_trials(study: optuna.Study, search: Search, trials: int, deadline: float, say: Callable[[str], None]) -> None:
    """Run trials until the study has so many that ended, those of other processes counted, or the time is over.

    Args:
        trials: how many the study is to have.
        deadline: as time.monotonic() tells; the trial under way is ended after its epoch then, and counts as it is.
        say: told a line about each trial.

    Raises:
        UserError: trials fail, with what the last one said.
    """
    failed = 0
    while _ended(study) < trials and time.monotonic() < deadline:
        trial = study.ask(search.space)
        say(f"trial {trial.number}    {describe(trial.params)}")
        found = _run_trial(study, trial, search, deadline)
        log = trial_log(search, trial.number)
        said = last_words(log.read_text("utf-8"))
        say(f"           {found or f'failed: {said}'}")
        failed = 0 if found else failed + 1
        if failed and (failed >= _GIVE_UP_AFTER or not _ended(study)):
            raise UserError(f"tune: trial {trial.number}: {said} (all that it said: {log})")
        _keep_best_checkpoint(study, search)


def describe(params: Mapping[str, Any]) -> str:
    """Settings in a few words: `model.lr=0.0012 model.mixup=0.2`."""
    return " ".join(f"{name}={short(value)}" for name, value in params.items())


def short(value: Any) -> str:
    """A value for people, of four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _ended(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=_ENDED))


class _Watch:
    """Follows a trial's run by its lines: tells Optuna each epoch's score, and ends what is not worth its time."""

    def __init__(self, trial: Trial, run: Path, log: IO[str], deadline: float) -> None:
        self._trial, self._run, self._log, self._deadline = trial, run, log, deadline
        self.state, self.ended = TrialState.COMPLETE, ""

    def __call__(self, line: str, process: subprocess.Popen[str]) -> None:
        self._log.write(line)
        self._log.flush()
        if self.ended or not line.startswith("epoch "):
            return
        epoch = read_run(self._run).history[-1]
        if epoch.val_macro_f1 is not None:
            self._trial.report(epoch.val_macro_f1, epoch.epoch)
        if self._trial.should_prune():
            self.state, self.ended = TrialState.PRUNED, f"pruned after epoch {epoch.epoch}"
        elif time.monotonic() > self._deadline:
            self.ended = f"the hours are over, after epoch {epoch.epoch}"
        if self.ended:
            process.terminate()


def _run_trial(study: optuna.Study, trial: Trial, search: Search, deadline: float) -> str | None:
    """What came of a trial, in a few words, once the study knows it; None if it failed."""
    folder, log = trial_folder(search, trial.number), trial_log(search, trial.number)
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)  # of a study whose storage was removed
    try:
        with log.open("w", encoding="utf-8") as lines:
            watch = _Watch(trial, folder, lines, deadline)
            status = run_command(_command(search, trial), watch)
        if status == INTERRUPTED and not watch.ended:  # a run that is terminated gives the same status
            raise KeyboardInterrupt(f"interrupted in trial {trial.number}; the same command goes on")
        best = read_run(folder).best if watch.ended or status == 0 else None
        if status == 0 and (best is None or best.val_macro_f1 is None):
            raise UserError(
                f"tune: trial {trial.number} was not validated: trials are told apart by their macro F1 on val"
            )
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    if best is None or best.val_macro_f1 is None:
        study.tell(trial, state=TrialState.FAIL)
        return None
    trial.set_user_attr("epoch", best.epoch)
    trial.set_user_attr("config", RunFolder(folder).config.read_text("utf-8"))
    study.tell(trial, best.val_macro_f1 if watch.state == TrialState.COMPLETE else None, watch.state)
    return f"macro F1 {best.val_macro_f1:.4f} in epoch {best.epoch}{watch.ended and f', {watch.ended}'}"


def _command(search: Search, trial: Trial) -> list[str]:
    varied = [f"--{name}={value}" for name, value in trial.params.items()]
    folder = trial_folder(search, trial.number)
    place = [f"--runs_dir={folder.parent}", f"--name={folder.name}"]
    return ["fit", *search.fixed, *_QUIET, *varied, *place]


def trial_folder(search: Search, number: int) -> Path:
    """The run folder of a trial."""
    return search.folder / "trials" / f"{number:04d}"


def trial_log(search: Search, number: int) -> Path:
    """All that a trial has said."""
    return trial_folder(search, number).with_suffix(".log")


def _keep_best_checkpoint(study: optuna.Study, search: Search) -> None:
    """Trials keep their history and settings; a checkpoint only the best: those of all would fill a disk. One that
    another process is training is left alone."""
    best = best_trial(study)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and (best is None or trial.number != best.number):
            shutil.rmtree(trial_folder(search, trial.number) / "checkpoints", ignore_errors=True)


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best of those that came to their end; None before."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(done, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def _storage(search: Search) -> str | BaseStorage:
    if search.storage is not None:
        return search.storage
    search.folder.mkdir(parents=True, exist_ok=True)
    journal = str(search.folder / "study.log")
    return JournalStorage(JournalFileBackend(journal, JournalFileOpenLock(journal)))  # a lock that Windows has too


def _check_same(study: optuna.Study, search: Search) -> None:
    """A study goes on with what it was begun with: scores of other settings would mislead it."""
    asked = {
        "vary": {name: distribution_to_json(each) for name, each in search.space.items()},
        "fixed": with_contents(search.fixed),
    }
    known = study.user_attrs.get("asked")
    if known is None:
        study.set_user_attr("asked", asked)
    elif known != asked:
        raise UserError(f"--name={study.study_name}: was begun with other settings: give another name, or the same")
