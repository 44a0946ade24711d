"""What lets a run that was cut off go on as if it never had been, and what `fit --resume` may change of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.lightning_internals import batches_done, begin_epoch, count_batches, epochs_done, inside_epoch
from lightning_flowers.model.optimization import set_rates
from lightning_flowers.run.classes import load_checkpoint
from lightning_flowers.run.folder import RunFolder

# Free to change: they place and watch the work (all others of the Trainer's too), or act from the next step on.
_FREE = {
    "data": (
        *("root", "features", "threads", "cache", "cache_dir", "remote_limit"),
        *("on_bad_record", "test_labels", "pseudo_labels", "batch_size", "micro_batch"),
    ),
    "model": (
        *("weights", "lr", "weight_decay", "warmup_epochs", "feature_cache", "ema_decay"),
        *("grad_checkpointing", "compile"),
    ),
}
# These cut the epoch into other batches or steps.
_CUTS = ("data.batch_size", "trainer.accumulate_grad_batches", "trainer.limit_train_batches")
_FIXED_OF_TRAINER = ("overfit_batches",)
STATE_KEY = "Continuity"  # in checkpoints


class ResumeState(Callback):
    """Keeps in the checkpoint how far the epoch has come, its validation's scores so far and the random numbers of
    every process, and goes on there.

    Lightning keeps the loader's state too, but forgets to restore it where a schedule has asked for the length of the
    run, as then it makes its loader before it reads the checkpoint.

    Args:
        data: of the run.
    """

    def __init__(self, data: PetalsDataModule) -> None:
        self._data = data
        self._trainer: Any = None
        self._device: Any = None
        self._state: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        return STATE_KEY

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer, self._device = trainer, trainer.strategy.root_device

    def state_dict(self) -> dict[str, Any]:
        loader = self._trainer.train_dataloader.state_dict()
        return {
            # An epoch may end before its loader does, as with --trainer.limit_train_batches.
            "loader": loader if inside_epoch(self._trainer) else {**loader, "batches": 0},
            "scores": {name: value for name, value in self._trainer.callback_metrics.items() if "val_" in name},
            "steps_per_epoch": _steps_per_epoch(self._trainer),
            "random": hardware.gather(hardware.random_state(self._device)),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        _convert_batches(checkpoint, self._data.batch_size)
        # --trainer.max_time is of one command: Lightning would count the time of those before it too, and stop at once.
        checkpoint["callbacks"].pop("Timer", None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._state:
            loader: Any = trainer.train_dataloader
            loader.load_state_dict(self._state["loader"])
            trainer.callback_metrics.update(self._state["scores"])
            if not inside_epoch(trainer):
                begin_epoch(trainer)
            _carry_over(trainer, self._state.get("steps_per_epoch"))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Not before: building models and a first look at val draw random numbers too. With another number of processes
        # there is nothing to go on with.
        if self._state and len(self._state["random"]) == trainer.world_size:
            hardware.set_random_state(self._state["random"][trainer.global_rank], self._device)
        self._state = None


def check_changes(run: RunFolder, checkpoint: str, asked: Mapping[str, Any]) -> None:
    """Fail where a run would be gone on with under settings that its state does not fit.

    Data of another place are held against the run's fingerprints elsewhere.

    Args:
        run: to go on with.
        checkpoint: its last.
        asked: the settings now, as config.yaml holds them.

    Raises:
        UserError: a setting that may not change has; names it, and what it was.
    """
    before = dict(_flat(yaml.safe_load(run.config.read_text("utf-8"))))
    changed = {name: value for name, value in _flat(asked) if name in before and before[name] != value}
    for name, value in changed.items():
        if not _is_free(name) or (name == "model.ema_decay" and not value):
            raise UserError(
                f"--{name}={value}: the run {run.path} was begun with {before[name]}, which --resume cannot change: "
                "leave it out, or start a new run"
            )
    cuts = [name for name in _CUTS if name in changed]
    if cuts and asked["trainer"]["max_steps"] != -1:
        raise UserError(f"--{cuts[0]}: --trainer.max_steps={asked['trainer']['max_steps']} counts steps of one length")
    if cuts:
        _check_cuts(cuts, before, changed, checkpoint)


def _check_cuts(cuts: list[str], before: dict[str, Any], changed: dict[str, Any], checkpoint: str) -> None:
    """At an epoch's end all may change; inside one, what has been seen must be whole batches and steps."""
    loader = load_checkpoint(checkpoint)["callbacks"][STATE_KEY]["loader"]
    seen = loader["batches"] * loader["batch_size"]
    if not seen:
        return
    batch, accumulate = (changed.get(name, before[name]) for name in _CUTS[:2])
    if "trainer.limit_train_batches" in cuts or seen % (batch * accumulate):
        name = cuts[-1]
        raise UserError(
            f"--{name}={changed[name]}: the run stopped inside an epoch, after {seen} records, which are no whole "
            f"number of such steps: keep to {before[name]}, or use a batch size and accumulation that divide {seen}"
        )


def _carry_over(trainer: Trainer, steps_before: int | None) -> None:
    """Have the schedule go on where the run is, counted in epochs, under the settings of now.

    Args:
        trainer: which has read the checkpoint and trains next.
        steps_before: optimizer steps that an epoch had; None of a checkpoint that does not say.
    """
    now = _steps_per_epoch(trainer)
    for config in trainer.lr_scheduler_configs:
        schedule: Any = config.scheduler
        if config.interval == "step" and steps_before not in (None, now):
            steps = batches_done(trainer) // trainer.accumulate_grad_batches
            schedule.last_epoch = epochs_done(trainer) * now + steps
    set_rates(trainer)


def _convert_batches(checkpoint: dict[str, Any], batch_size: int) -> None:
    """Of a run that stopped inside an epoch, count the batches done in others of the same records."""
    loader = checkpoint["callbacks"][STATE_KEY]["loader"]
    if loader["batches"] and loader["batch_size"] != batch_size:
        more = loader["batches"] * loader["batch_size"] // batch_size - loader["batches"]
        loader |= {"batches": loader["batches"] + more, "batch_size": batch_size}
        count_batches(checkpoint, more)
        checkpoint["callbacks"]["History"]["batches"] += more  # else images/s would be of other batches


def _steps_per_epoch(trainer: Trainer) -> int:
    """Optimizer steps of an epoch; the last may be of fewer batches."""
    return -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)


def _is_free(name: str) -> bool:
    section, _, setting = name.partition(".")
    if section == "trainer":
        return setting not in _FIXED_OF_TRAINER
    return setting in _FREE.get(section, ())


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings by the names of their flags."""
    yield "seed_everything", settings["seed_everything"]
    for section in ("data", "model", "trainer"):
        for name, value in settings[section].items():
            yield f"{section}.{name}", value
