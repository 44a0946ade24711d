"""The classifier: a timm backbone, pooled features, optional dense layers, logits."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pytorch_lightning import Callback
from torch import Tensor

from lightning_flowers import hardware
from lightning_flowers.batch import Batch, FeatureBatch, check_batch
from lightning_flowers.errors import UserError, check_choices
from lightning_flowers.model import losses
from lightning_flowers.model.attaching import attach, callbacks_for
from lightning_flowers.model.backbones import checkpoint_gradients
from lightning_flowers.model.checkpointing import CheckpointMixin
from lightning_flowers.model.growth import shrink
from lightning_flowers.model.layers import Normalize, build_head
from lightning_flowers.model.metrics import Counts
from lightning_flowers.model.micro_batches import MicroBatches
from lightning_flowers.model.mixing import MixedBatch, Mixing
from lightning_flowers.model.optimization import Optimization
from lightning_flowers.model.phases import PhasesMixin
from lightning_flowers.model.ranges import check_ranges
from lightning_flowers.model.views import mean_probabilities, views_of
from lightning_flowers.model.weights import build_backbone


class FlowerClassifier(PhasesMixin, CheckpointMixin):
    """A pretrained backbone with a new head.

    Args:
        backbone: densenet201, xception, resnet152, tf_efficientnet_b7_ns, tf_efficientnetv2_xl, tf_efficientnet_lite0,
            or the name of any other timm model.
        num_classes: how many classes the data have; the command line takes it from them.
        weights: timm (its hub or cache), none, a run or its checkpoint (its head too, for the same classes), or a
            file or folder of timm's or the Hugging Face hub's.
        hidden: widths of dense layers (ReLU) between the pooled features and the logits.
        dropout: probability, before each layer of the head.
        drop_path: rate of stochastic depth in the backbone; 0 is off, 0.1 to 0.3 are usual of large ones.
        freeze_backbone: keep the backbone as it is: its parameters fixed, its BatchNorm in evaluation mode.
        head_epochs: train the head alone for so many epochs first, then all, each by a schedule of its own.
        first_size: side in pixels of training pictures at first; in three quarters of the run they grow to the data's.
        optimizer: adamw, adam, sgd, lamb, lion, muon, or any other name of timm's.
        lr: the maximal learning rate.
        layer_decay: each layer of the backbone learns at the next one's rate times this; 1 is off, 0.8 is usual.
        weight_decay: of the optimizer.
        loss: of training; focal counts what is right already less, logit_adjusted counts classes of all sizes alike.
        class_balance: beta of weights by the effective number of a class's records; 0 is off, 0.999 is usual.
        label_smoothing: in 0..1, in training only.
        schedule: cosine (warm-up, then cosine over the run's length) or starter (the competition's starter notebook:
            five epochs up, then times 0.8 an epoch).
        warmup_epochs: of the cosine schedule.
        mixup: alpha of Mixup, which blends the pictures of a training batch; 0 is off, 0.2 is usual.
        cutmix: alpha of CutMix, which pastes boxes between them; 0 is off, 1 is usual.
        ema_decay: of an exponential moving average of the weights, which is then what is validated and saved; 0 is off,
            0.999 is usual where an epoch has hundreds of steps.
        feature_cache: with a frozen backbone and pictures that do not change, compute their pooled features once and
            train the head on them.
        feature_views: with a frozen backbone and augmentation, how many augmented views of each picture are kept
            as features and taken in turn; 0 keeps none.
        grad_checkpointing: true or false: less memory for a second forward pass of the backbone; auto does so where
            fewer than 16 pictures at a time fit into a GPU.
        compile: have torch compile the backbone, from the second batch on.

    Attributes:
        say: told a heading and a line about what is done for a fit; None logs them.
        origin: where the weights are from that it began with, in words.
        weights_file: what of a file of weights may still be taken, once the data's classes are known.

    Raises:
        UserError: an argument that cannot be, or weights that cannot be had; says what to do.
    """

    say: Callable[[str, str], None] | None = None

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        num_classes: int | None = None,
        weights: str = "timm",
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        drop_path: float = 0.0,
        freeze_backbone: bool = False,
        head_epochs: int = 0,
        first_size: int | None = None,
        optimizer: str = "adamw",
        lr: float = 1e-3,
        layer_decay: float = 1.0,
        weight_decay: float = 1e-2,
        loss: losses.Kind = "cross_entropy",
        class_balance: float = 0.0,
        label_smoothing: float = 0.1,
        schedule: Literal["cosine", "starter"] = "cosine",
        warmup_epochs: float = 1.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        ema_decay: float = 0.0,
        feature_cache: bool = True,
        feature_views: int = 0,
        grad_checkpointing: bool | Literal["auto"] = "auto",
        compile: bool = False,
    ) -> None:
        super().__init__()
        if num_classes is None:
            raise UserError("num_classes: must be given, such as len(PetalsDataModule(...).classes)")
        check_choices(FlowerClassifier.__init__, locals(), "model")
        weights = os.fspath(weights)  # of a Path: checkpoints hold plain values alone
        self.save_hyperparameters()
        check_ranges(self.hparams)
        self.optimization = Optimization(optimizer, lr, weight_decay, layer_decay, schedule, warmup_epochs, head_epochs)
        self.loss = losses.TrainingLoss(loss, class_balance, label_smoothing, num_classes)
        self.mixing = Mixing(mixup, cutmix)
        self.ema_decay = ema_decay
        self.frozen = self.fixed = freeze_backbone  # for good, and now
        self.head_epochs, self.first_size = head_epochs, first_size
        self.views = views_of("none")  # of a picture, when it is predicted
        built = build_backbone(backbone, weights, drop_path)
        self.backbone: Any = built.model
        self.origin, self.weights_file = built.origin, built.file
        self.backbone.requires_grad_(not freeze_backbone)
        self.grad_checkpointing, self.compiles = grad_checkpointing, compile
        if grad_checkpointing is True and not checkpoint_gradients(self.backbone):
            raise UserError(f"--model.grad_checkpointing=true: timm has none for {backbone}: leave it out")
        self.micro_batches = MicroBatches()
        self.gathers = self._gathered = False  # whether training batches go through them, and whether this one has
        self.head = build_head(self.backbone.head_hidden_size, hidden, dropout, num_classes)
        self.normalize = Normalize(self.backbone.pretrained_cfg["mean"], self.backbone.pretrained_cfg["std"])
        self.train_counts, self.eval_counts = Counts(num_classes), Counts(num_classes)
        self.fix(freeze_backbone)  # its BatchNorm too: Lightning leaves modes as it finds them

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes) of pictures uint8 (batch, 3, height, width)."""
        return self.head(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """Pooled features (batch, channels) of pictures uint8 (batch, 3, height, width)."""
        normalized = self.normalize(image)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.fixed):
            return self.backbone(normalized)

    def configure_callbacks(self) -> list[Callback]:
        return callbacks_for(self.trainer, self.ema_decay)

    def setup(self, stage: str) -> None:
        if self.fixed != self.frozen:  # as a run that was cut off has left it
            self.fix(self.frozen)
        attach(self, self.trainer, stage)

    def describe(self) -> str:
        """One line about the model."""
        total = sum(parameter.numel() for parameter in self.parameters())
        trained = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        first = f", first the head alone (epochs: {self.head_epochs})" if self.head_epochs else ""
        return (
            f"{self.hparams['backbone']}: {total / 1e6:.4g} M parameters, {trained / 1e6:.4g} M of them trained{first}"
        )

    def training_step(self, batch: Batch | FeatureBatch, batch_idx: int) -> Tensor:
        """The mean loss; of a mixed picture, the counts take the label that weighs most."""
        self.check(batch, batch_idx)
        if "image" in batch and (side := self.side(batch["image"].shape[-1])) < batch["image"].shape[-1]:
            batch = Batch(**{**batch, "image": shrink(batch["image"], side)})
        if self.mixing and "image" in batch:
            batch = self.mixing(batch)
        self._gathered = self.gathers and "image" in batch
        if self._gathered:
            return self.micro_batches.backward(self, batch, batch_idx)
        return self.part_loss(batch, self.records(batch["mask"]))

    def part_loss(self, batch: MixedBatch | Batch | FeatureBatch, records: Tensor) -> Tensor:
        """What a part of a batch of so many records adds to its mean loss; its scores are counted."""
        logits = self._logits(batch)
        loss = self.loss(logits, batch["label"].clamp(min=0))  # padding is masked, but its label must be a class
        if "other_label" in batch:
            loss = torch.lerp(self.loss(logits, batch["other_label"].clamp(min=0)), loss, batch["weight"])
        self.train_counts.update(logits.detach(), batch["label"], batch["mask"], loss.detach())
        return torch.where(batch["mask"], loss, 0).sum() / records

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        """Lightning would drop the gradients here, between `training_step` and `backward`."""
        if not self._gathered:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.compiles and "image" in batch:  # not before: another number of pictures at a time is another graph
            hardware.compile_module(self.backbone)
            self.compiles = False

    def validation_step(self, batch: Batch | FeatureBatch, batch_idx: int) -> None:
        self.check(batch, batch_idx)
        logits = self._logits_of_all(batch)
        loss = F.cross_entropy(logits, batch["label"].clamp(min=0), reduction="none")
        self.eval_counts.update(logits, batch["label"], batch["mask"], loss)

    test_step = validation_step

    def predict_step(self, batch: Batch | FeatureBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Probabilities float32 (batch, classes), of all `views`; and the index int64 (batch,), -1 for padding."""
        check_batch(batch)
        if "image" in batch and len(self.views) > 1:
            probabilities = mean_probabilities(partial(self.micro_batches.apply, self), batch["image"], self.views)
        else:
            probabilities = self._logits_of_all(batch).softmax(1)
        return {"probabilities": probabilities, "index": batch["index"]}

    def configure_optimizers(self) -> Any:
        return self.optimization.configure(self)

    def _logits(self, batch: Batch | FeatureBatch) -> Tensor:
        """Float32 (batch, classes)."""
        return (self.head(batch["features"]) if "features" in batch else self(batch["image"])).float()

    def _logits_of_all(self, batch: Batch | FeatureBatch) -> Tensor:
        """The same, of no more pictures at a time than fit; without gradients."""
        if "features" in batch:
            return self._logits(batch)
        return self.micro_batches.apply(self, batch["image"]).float()
