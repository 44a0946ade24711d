"""The backbones by their short names; any other timm model goes by timm's name."""

from typing import Any

import timm
from torch import nn

from lightning_flowers.errors import UserError, did_you_mean

# Timm's name, with its tag of weights. The study's results with its five stand in `compare/study.py`.
BACKBONES = {
    "densenet201": "densenet201.tv_in1k",
    "xception": "legacy_xception.tf_in1k",
    "resnet152": "resnet152.a1h_in1k",
    "tf_efficientnet_b7_ns": "tf_efficientnet_b7.ns_jft_in1k",
    "tf_efficientnetv2_xl": "tf_efficientnetv2_xl.in21k_ft_in1k",
    "tf_efficientnet_lite0": "tf_efficientnet_lite0.in1k",
}


def timm_name(backbone: str) -> str:
    """Timm's name, with its tag of weights, of a backbone given by our short name or by timm's.

    Raises:
        UserError: no such model; suggests the nearest names.
    """
    if backbone in BACKBONES:
        return BACKBONES[backbone]
    if not timm.is_model(backbone):
        near = did_you_mean(backbone, {*BACKBONES, *timm.list_models()})
        hint = near or f": use one of {', '.join(BACKBONES)}"
        raise UserError(f"--model.backbone={backbone}: timm {timm.__version__} has no such model{hint}")
    return backbone


def checkpoint_gradients(backbone: nn.Module) -> bool:
    """Have a model of timm's compute activations anew in its backward pass, where it can; gives whether it can."""
    model: Any = backbone
    try:
        model.set_grad_checkpointing(True)
    except (AssertionError, AttributeError):  # how timm's models answer that they cannot
        return False
    return True
