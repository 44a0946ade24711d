import pytest
from torch import nn

from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.depth import depth


@pytest.mark.parametrize(
    ("backbone", "layers"), [("resnet18", 18), ("resnet50", 50), ("densenet121", 121), ("vgg16", 16)]
)
def test_depth_is_what_the_models_are_named_after(backbone, layers):
    model = FlowerClassifier(backbone, 7, weights="none")
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    # timm's VGG keeps its first two dense layers, as convolutions.
    assert depth(model, 64 if backbone != "vgg16" else 224) == layers
    assert all(before[name].equal(value) for name, value in model.backbone.state_dict().items())


def test_dense_layers_of_the_head_count_and_a_frozen_backbone_does_too():
    assert depth(FlowerClassifier("resnet18", 7, weights="none", hidden=[32, 16], freeze_backbone=True), 64) == 20


def test_a_model_that_does_not_run_without_content_has_no_depth():
    model = FlowerClassifier("resnet18", 7, weights="none")

    class Reads(nn.Module):
        def forward(self, image):
            return image.mean((2, 3)) if image.sum() > 0 else image.sum((2, 3))

    model.backbone = Reads()
    assert depth(model, 64) is None
