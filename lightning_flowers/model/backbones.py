"""The backbones by their short names; any other timm model goes by timm's name."""

import difflib
from dataclasses import dataclass

import timm

from lightning_flowers.errors import UserError


@dataclass(frozen=True)
class StudyRow:
    """The TensorFlow study's result with a backbone: 512 px, TPU v3-8, 12,753 training and 3,712 validation images."""

    model: str
    val_loss: float
    val_accuracy: float
    seconds_per_epoch: float
    trainable: bool
    epochs: int


@dataclass(frozen=True)
class Backbone:
    """One row of the table: timm's name with its tag of weights, and the study's result if it had this backbone."""

    timm_name: str
    study: StudyRow | None = None


BACKBONES: dict[str, Backbone] = {
    "densenet201": Backbone("densenet201.tv_in1k", StudyRow("DenseNet201", 0.2671, 0.9434, 68, True, 20)),
    "xception": Backbone("legacy_xception.tf_in1k", StudyRow("Xception", 0.2928, 0.9418, 56.3, True, 20)),
    "resnet152": Backbone("resnet152.a1h_in1k", StudyRow("ResNet152V2", 0.4193, 0.9133, 62, True, 20)),
    "tf_efficientnet_b7_ns": Backbone(
        "tf_efficientnet_b7.ns_jft_in1k", StudyRow("EfficientNetB7", 0.2769, 0.9542, 107, True, 16)
    ),
    "tf_efficientnetv2_xl": Backbone(
        "tf_efficientnetv2_xl.in21k_ft_in1k", StudyRow("EfficientNetV2XL", 0.1642, 0.9650, 63, False, 20)
    ),
    "tf_efficientnet_lite0": Backbone("tf_efficientnet_lite0.in1k"),
}


def timm_name(backbone: str) -> str:
    """Timm's name, with its tag of weights, of a backbone given by our short name or by timm's.

    Raises:
        UserError: no such model; suggests the nearest names.
    """
    if backbone in BACKBONES:
        return BACKBONES[backbone].timm_name
    if not timm.is_model(backbone):
        known = {*BACKBONES, *timm.list_models()}
        near = difflib.get_close_matches(backbone, sorted(known), n=3, cutoff=0.5)
        hint = f": did you mean {' or '.join(near)}?" if near else f": use one of {', '.join(BACKBONES)}"
        raise UserError(f"--model.backbone={backbone}: timm {timm.__version__} has no such model{hint}")
    return backbone
