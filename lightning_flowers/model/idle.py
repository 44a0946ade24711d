"""Settings of a model that others leave without effect."""

from collections.abc import Iterator, Mapping
from typing import Any

from lightning_flowers.model.features import feature_views

NO_EFFECT = "would have no effect: "
# What a frozen backbone leaves without effect, where it is not its default.
_OF_THE_BACKBONE = {"drop_path": 0, "grad_checkpointing": "auto", "head_epochs": 0, "layer_decay": 1}


def idle_settings(settings: Mapping[str, Any], augments: bool, cache: str) -> Iterator[tuple[str, str]]:
    """Flags of settings that would have no effect, each with a message that says why, and the mend.

    Args:
        settings: of a FlowerClassifier.
        augments: whether training pictures are augmented.
        cache: where decoded pictures were to be kept, as PetalsDataModule takes it.
    """
    keeps = feature_views(settings, augments)[0] > 0
    of_features = "features of the frozen backbone are kept in place of pictures: leave it out, or give "
    found = {
        name: "--model.freeze_backbone=true trains the head alone: leave one of the two out"
        for name, default in _OF_THE_BACKBONE.items()
        if settings["freeze_backbone"] and settings[name] not in (default, False)
    }
    if settings["feature_views"] and not (keeps and augments):
        found["feature_views"] = (
            "it is of features of a frozen backbone, kept of augmented pictures: give --model.freeze_backbone=true, "
            "--model.feature_cache=true and --data.augment, without --model.mixup and --model.cutmix; or leave it out"
        )
    if settings["compile"] and keeps:
        found["compile"] = "the backbone is used once, to compute the features that are kept: leave it out"
    if settings["first_size"] is not None and keeps:
        found["first_size"] = "kept features are of pictures of the data's size: leave it out"
    if settings["warmup_epochs"] != 1 and settings["schedule"] != "cosine":
        found["warmup_epochs"] = "it is of --model.schedule=cosine: leave it out"
    for name, why in found.items():
        yield f"model.{name}", f"--model.{name}={settings[name]}: {NO_EFFECT}{why}"
    if cache in ("ram", "disk") and keeps:
        yield "data.cache", f"--data.cache={cache}: {NO_EFFECT}{of_features}--model.feature_cache=false"
