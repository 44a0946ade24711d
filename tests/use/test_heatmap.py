"""A heat map's places sum to the logit, where it says that it is exact; elsewhere it says otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_flowers import hardware
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.views import resize
from lightning_flowers.run.results import Data, Run
from lightning_flowers.use.heatmap import heat_map
from lightning_flowers.use.members import Member
from lightning_flowers.use.predictor import Predictor

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def predictor_of(backbone, **settings):
    torch.manual_seed(0)
    model = FlowerClassifier(backbone, num_classes=3, weights="none", **settings).eval().requires_grad_(False)
    run = Run(path=Path("x"), backbone=backbone, timm_name=backbone, data=Data(size=64))
    member = Member(run, model, 1.0, 64, "none", ())
    return Predictor("x", Path("x"), ("a", "b", "c"), (member,))


def logits(predictor):
    return predictor.members[0].model(hardware.to_batch(PIXELS[None], predictor.device))[0].tolist()


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet"])
def test_the_places_sum_to_the_logit(backbone, frozen):
    predictor = predictor_of(backbone, freeze_backbone=frozen)
    bias = predictor.members[0].model.get_parameter("head.1.bias")
    for label, logit in enumerate(logits(predictor)):
        found = heat_map(predictor, PIXELS, label)
        assert found.method == "exact"
        assert found.rest == pytest.approx(float(bias[label]), abs=1e-5)
        assert found.places.sum() + found.rest == pytest.approx(logit, abs=1e-5)


def test_the_places_are_those_of_the_class_activation_map():
    predictor = predictor_of("test_resnet")
    model = predictor.members[0].model
    features = model.backbone.forward_features(model.normalize(hardware.to_batch(PIXELS[None], predictor.device)))[0]
    wanted = torch.einsum("k,khw->hw", model.get_parameter("head.1.weight")[1], features) / features[0].numel()
    np.testing.assert_allclose(heat_map(predictor, PIXELS, 1).places, wanted.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "settings", "method", "shape"),
    [
        ("test_resnet", {"hidden": [8]}, "gradients", (2, 2)),
        ("mobilenetv3_small_050", {}, "gradients", (2, 2)),  # a layer after its pooling
        ("test_vit", {}, "pixels", (14, 14)),
    ],
)
def test_what_is_no_sum_does_not_claim_to_be(backbone, settings, method, shape):
    predictor = predictor_of(backbone, **settings)
    found = heat_map(predictor, PIXELS, 0)
    assert (found.method, found.places.shape) == (method, shape)
    assert np.isfinite(found.places).all()
    assert found.places.any()
    assert found.places.sum() + found.rest == pytest.approx(logits(predictor)[0], abs=1e-4)


def test_a_blends_map_is_that_of_its_heaviest_member():
    one, other = predictor_of("test_efficientnet"), predictor_of("test_resnet")
    (light,), (heavy,) = one.members, other.members
    blend = replace(one, members=(replace(light, weight=0.3), replace(heavy, weight=0.7, size_px=32)))  # sees it shrunk
    found = heat_map(blend, PIXELS, 0)
    shrunk = resize(hardware.to_batch(PIXELS[None], one.device), 32)
    assert found.places.sum() + found.rest == pytest.approx(float(heavy.model(shrunk)[0, 0].detach()), abs=1e-5)
