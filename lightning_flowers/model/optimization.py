"""The optimizer by timm's name, the groups that it has of the parameters, and the schedule of their rates."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from timm.optim import (
    create_optimizer_v2,  # pyright: ignore[reportPrivateImportUsage]
    get_optimizer_info,  # pyright: ignore[reportPrivateImportUsage]
    list_optimizers,  # pyright: ignore[reportPrivateImportUsage]
    param_groups_layer_decay,  # pyright: ignore[reportPrivateImportUsage]
)
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightning_flowers import hardware
from lightning_flowers.errors import UserError, did_you_mean
from lightning_flowers.lightning_internals import trainer_of
from lightning_flowers.model.schedule import head_first, starter

if TYPE_CHECKING:
    from lightning_flowers.model.classifier import FlowerClassifier

_FUSED = ("adam", "adamw")  # of torch's own; of timm's others few have one kernel for a step
_USUAL = "adamw, adam, sgd, lamb, lion, nadamw, adopt, muon"


@dataclass
class Optimization:
    """How a classifier is trained, by the settings of `FlowerClassifier`, which see. With a `layer_decay`, biases and
    norms have no weight decay, as timm has it.

    Raises:
        UserError: timm has no such optimizer, or it is one that cannot be used here.
    """

    optimizer: str
    lr: float
    weight_decay: float
    layer_decay: float
    schedule: str
    warmup_epochs: float
    head_epochs: int

    def __post_init__(self) -> None:
        names, asked = [str(known) for known in list_optimizers()], f"--model.optimizer={self.optimizer}"
        if self.optimizer not in names:
            near = did_you_mean(self.optimizer, names) or f": use one of {_USUAL}"
            raise UserError(f"{asked}: timm has no such optimizer{near}")
        if get_optimizer_info(self.optimizer).second_order:
            raise UserError(f"{asked}: needs second derivatives, which no step here takes: use {_USUAL}")

    def configure(self, model: "FlowerClassifier") -> tuple[list[Optimizer], list[dict[str, Any]]]:
        """What Lightning's `configure_optimizers` returns of a FlowerClassifier."""
        optimizer = self._build(model)
        if self.schedule == "starter":
            scheduler = LambdaLR(optimizer, lambda epoch: starter(epoch, self.lr) / self.lr)
            return [optimizer], [{"scheduler": scheduler, "interval": "epoch"}]
        trainer: Any = model.trainer
        self._phases = head, total, _ = self._steps(trainer)
        if not trainer.fast_dev_run:  # of which one epoch is all there is
            self.check_length(head, total)
        scheduler = LambdaLR(optimizer, lambda step: head_first(step, *self._phases))
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def check_length(self, head: int, total: int) -> None:
        """Fail where a run, as long as `total`, is over once the head has been trained alone for as long as `head`.

        Raises:
            UserError: so it is.
        """
        if head >= total:
            raise UserError(
                f"--model.head_epochs={self.head_epochs}: leaves nothing of the run for the backbone: give fewer, or "
                "--model.freeze_backbone=true for the head alone"
            )

    def reschedule(self, trainer: Any) -> None:
        """Have the cosine end with the run, whose number of epochs has changed; `starter` knows of no end."""
        if self.schedule == "cosine":
            self._phases = self._steps(trainer)
        apply_schedule(trainer)

    def override(self, checkpoint: dict[str, Any], trainer: Any) -> None:
        """Let these settings, and this hardware's, win over those that a resumed run's optimizer was saved with."""
        for state in checkpoint.get("optimizer_states", []):
            for group in state["param_groups"]:
                base = self.lr * group.get("lr_scale", 1.0)
                group["lr"] *= base / group["initial_lr"]
                group |= {"initial_lr": base, "weight_decay": self.weight_decay * group.get("decay_scale", 1.0)}
                if "fused" in group:
                    group["fused"] = hardware.fuses(trainer)
        for state, optimizer in zip(
            checkpoint.get("lr_schedulers", []), checkpoint.get("optimizer_states", []), strict=True
        ):
            state["base_lrs"] = [group["initial_lr"] for group in optimizer["param_groups"]]

    def _build(self, model: "FlowerClassifier") -> Optimizer:
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = trainable if self.layer_decay == 1 else list(self._groups(model))
        settings: dict[str, Any] = {"fused": hardware.fuses(trainer_of(model))} if self.optimizer in _FUSED else {}
        try:
            return create_optimizer_v2(groups, self.optimizer, self.lr, self.weight_decay, **settings)
        except (AssertionError, ImportError) as error:  # of another package, or of another device
            raise UserError(f"--model.optimizer={self.optimizer}: cannot be had here: {error}") from error

    def _groups(self, model: "FlowerClassifier") -> Iterator[dict[str, Any]]:
        """Parameters of one depth and one weight decay each; both as shares of what the run's settings say."""
        for group in param_groups_layer_decay(
            _as_timms(model), weight_decay=1.0, layer_decay=self.layer_decay, no_weight_decay_list=_undecayed(model)
        ):
            rate, decay = group["lr_scale"], group.pop("weight_decay")
            yield {**group, "decay_scale": decay, "lr": self.lr * rate, "weight_decay": self.weight_decay * decay}

    def _steps(self, trainer: Any) -> tuple[int, int, int]:
        """Optimizer steps of the head alone, of the whole run, and of a warm-up."""
        trainer.fit_loop.setup_data()  # with max_steps alone, the next line would leave the epoch's length unknown
        total = trainer.estimated_stepping_batches
        if not math.isfinite(total):
            raise UserError(
                "--model.schedule=cosine needs the run's length: --trainer.max_epochs or --trainer.max_steps"
            )
        total = max(int(total), 1)
        per_epoch = trainer.num_training_batches / trainer.accumulate_grad_batches
        head = self.head_epochs * math.ceil(per_epoch)
        return min(head, total), total, round(self.warmup_epochs * per_epoch)


def apply_schedule(trainer: Any) -> None:
    """Have the optimizer learn at the rates that its schedule gives where it stands."""
    for config in trainer.lr_scheduler_configs:
        schedule: Any = config.scheduler
        factors = [factor(schedule.last_epoch) for factor in schedule.lr_lambdas]
        schedule._last_lr = [base * factor for base, factor in zip(schedule.base_lrs, factors, strict=True)]
        for group, rate in zip(schedule.optimizer.param_groups, schedule._last_lr, strict=True):
            group["lr"] = rate


def _as_timms(model: "FlowerClassifier") -> Any:
    """What timm asks of a whole model of its own, so that its depths are those that timm gives them: the parameters,
    those of the backbone without prefix, and how they are grouped by depth. Of a few backbones timm does not know
    that, and counts twelve tensors as a layer."""

    def named_parameters() -> Iterator[tuple[str, nn.Parameter]]:
        yield from model.backbone.named_parameters()
        yield from model.head.named_parameters("the_head")

    whole = {"named_parameters": named_parameters, "pretrained_cfg": {"classifier": "the_head"}}
    if hasattr(model.backbone, "group_matcher"):
        whole["group_matcher"] = model.backbone.group_matcher
    return SimpleNamespace(**whole)


def _undecayed(model: "FlowerClassifier") -> set[str]:
    """Parameters that timm exempts from weight decay by name, such as position embeddings."""
    exempt = getattr(model.backbone, "no_weight_decay", None)
    return set(exempt()) if exempt else set()
