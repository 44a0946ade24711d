import pytest

from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.summary import depth


@pytest.mark.parametrize(("backbone", "layers"), [("resnet18", 18), ("resnet50", 50), ("densenet121", 121)])
def test_depth_is_what_the_models_are_named_after(backbone, layers):
    assert depth(FlowerClassifier(backbone, 7, weights="none")) == layers


def test_dense_layers_of_the_head_count():
    assert depth(FlowerClassifier("resnet18", 7, weights="none", hidden=[32, 16])) == 20
