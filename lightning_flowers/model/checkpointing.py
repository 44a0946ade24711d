"""What a checkpoint keeps of a classifier beside its weights, and what of that counts where it is loaded."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pytorch_lightning.trainer.states import TrainerFn

from lightning_flowers.lightning_internals import trainer_of
from lightning_flowers.model.layers import Normalize, check_classes, reorder_classes
from lightning_flowers.model.optimization import Optimization
from lightning_flowers.model.scoring import ScoringMixin


class CheckpointMixin(ScoringMixin):
    """Keeps the classes' names, the pictures' normalization, and the sums of an epoch that is under way.

    Attributes:
        class_names: of the data, in the order of their labels.
        class_order: where each class of the data stands among those of a checkpoint that is going to be loaded; None
            where they stand in the same order.
    """

    backbone: Any
    normalize: Normalize
    optimization: Optimization
    class_names: Sequence[str] = ()
    class_order: Sequence[int] | None = None

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As Lightning's, which see; no pretrained weights are looked for, as the checkpoint has them all."""
        return super().load_from_checkpoint(*args, **{"weights": "none", **kwargs})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["class_names"] = list(self.class_names)
        checkpoint["train_counts"] = self.sums_so_far()
        checkpoint["normalization"] = {part: list(self.backbone.pretrained_cfg[part]) for part in ("mean", "std")}
        settings = {name: value for name, value in checkpoint.items() if name != "state_dict"}
        checkpoint |= _plain(settings)  # lr or num_classes may be NumPy's, and so what the optimizer keeps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the settings of this run win over those that a resumed run's optimizer was saved with, and the data's
        order of the classes over the checkpoint's."""
        known = tuple(checkpoint.get("class_names", ()))
        self.class_names = self.class_names or known
        if self.class_order is not None:
            checkpoint["state_dict"] = reorder_classes(checkpoint["state_dict"], self.class_order)
        else:
            check_classes(known, self.class_names)
        self.normalize_as(checkpoint)
        trainer = trainer_of(self)
        if trainer is not None and trainer.state.fn == TrainerFn.FITTING:
            self.resume_counts(checkpoint["train_counts"])
        self.optimization.override(checkpoint, trainer)

    def normalize_as(self, checkpoint: Mapping[str, Any]) -> None:
        """Normalize pictures as a checkpoint's model did; older ones do not tell, as they do it like timm's own."""
        if known := checkpoint.get("normalization"):
            self.backbone.pretrained_cfg |= known
            self.normalize.set(**known)


def _plain(kept: Any) -> Any:
    """What a checkpoint keeps, with plain numbers for NumPy's, which torch.load refuses."""
    if isinstance(kept, np.generic):
        return kept.item()
    if type(kept) is dict:
        return {key: _plain(value) for key, value in kept.items()}
    return type(kept)(map(_plain, kept)) if type(kept) in (list, tuple) else kept
