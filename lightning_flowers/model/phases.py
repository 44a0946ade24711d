"""What of a classifier is trained at the moment: all of it, or the head alone, for good or for its first epochs."""

from typing import Any

from lightning_flowers import hardware


def begin(model: Any) -> None:
    """Fix a FlowerClassifier's backbone, or let it go, where the epoch asks for it: its step has other gradients from
    here on."""
    fixed = model.frozen or model.current_epoch < model.head_epochs
    if fixed != model.fixed:
        fix(model, fixed)
        hardware.begin_phase(model.trainer)


def fix(model: Any, fixed: bool) -> None:
    """Keep the backbone as it is, its BatchNorm too, or have it trained."""
    model.fixed = fixed
    model.backbone.train(model.training and not fixed)
    # DDP would overwrite counts with those of the first process at every step, and wait for gradients.
    passed_over = [name for name, _ in model.named_buffers() if "_counts." in name]
    if fixed:
        passed_over += [name for name, _ in model.named_parameters() if name.startswith("backbone.")]
    model._ddp_params_and_buffers_to_ignore = passed_over
