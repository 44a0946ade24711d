import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from lightning_flowers.batch import Batch
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.rehearse.footprint import footprint, trace

SETTINGS = {"backbone": "test_resnet", "num_classes": 104, "weights": "none"}


def pictures(count=2, size=64):
    return Batch(
        image=torch.randint(256, (count, 3, size, size), dtype=torch.uint8),
        label=torch.zeros(count, dtype=torch.int64),
        index=torch.arange(count),
        mask=torch.ones(count, dtype=torch.bool),
    )


def storage_bytes(tensors):
    return sum({tensor.data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def really_kept(model, batch, precision):
    """Bytes that autograd keeps of a real step, each storage once; not those of weights, nor places of maxima."""
    kept = []
    with (
        saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"),
    ):
        loss = model.training_step(batch, 0)
    assert loss.isfinite()
    own = {tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers(), *batch.values())}
    places = {tensor.data_ptr() for tensor in kept if tensor.dtype == torch.int64}
    return storage_bytes(tensor for tensor in kept if tensor.data_ptr() not in own | places)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet"])
def test_activations_are_those_that_a_real_step_keeps(backbone, precision):
    settings = SETTINGS | {"backbone": backbone}
    real = really_kept(FlowerClassifier(**settings), pictures(), precision)
    assert footprint(settings, 64, 2, precision).activations == pytest.approx(
        real, rel=0.005
    )  # BatchNorm's statistics differ


def test_fake_tensors_and_real_ones_give_the_same_figures():
    real = trace(FlowerClassifier(**SETTINGS), pictures(), "32-true")
    fake = footprint(SETTINGS, 64, 2, "32-true")
    assert (fake.activations, fake.products, fake.peak, fake.flops) == real
    assert 0 < fake.products < fake.activations < fake.peak


def test_weights_are_counted_exactly():
    model = FlowerClassifier(**SETTINGS)
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    buffers = sum(buffer.nbytes for buffer in model.buffers())
    found = footprint(SETTINGS, 64, 2, "32-true")
    assert found.parameters == weights + buffers
    assert found.gradients == weights
    assert found.optimizer == 2 * weights
    assert found.batch == 2 * (3 * 64 * 64 + 8 + 8 + 1)
    assert found.lasting == found.parameters + found.optimizer + 3 * found.batch
    assert found.most == found.lasting + found.peak


def test_a_frozen_backbone_keeps_nothing_for_the_backward_pass():
    found = footprint(SETTINGS | {"freeze_backbone": True}, 64, 2, "32-true")
    assert found.gradients == 4 * sum(parameter.numel() for parameter in FlowerClassifier(**SETTINGS).head.parameters())
    assert found.activations < 10_000 < footprint(SETTINGS, 64, 2, "32-true").activations


def test_twice_the_batch_takes_twice_the_activations_and_arithmetic():
    one, two = footprint(SETTINGS, 64, 8, "32-true"), footprint(SETTINGS, 64, 16, "32-true")
    assert two.activations == pytest.approx(2 * one.activations, rel=0.01)
    assert two.flops == 2 * one.flops


def test_bfloat16_halves_the_activations():
    full, half = (footprint(SETTINGS, 256, 16, precision).activations for precision in ("32-true", "bf16-mixed"))
    assert half == pytest.approx(full / 2, rel=0.01)


def test_an_average_of_the_weights_is_counted():
    settings = SETTINGS | {"ema_decay": 0.999}
    found = footprint(settings, 64, 2, "32-true")
    assert found.gradients < found.average < found.parameters


@pytest.mark.parametrize("backbone", ["test_resnet", "tf_efficientnet_lite0"])
def test_the_backward_pass_takes_twice_the_forward_pass(backbone):
    """But for the first convolution: the pictures need no gradient. Depthwise ones too, which torch counts wrongly."""
    model, products = FlowerClassifier(**SETTINGS | {"backbone": backbone}).eval(), []

    def count(module, _, out):
        products.append(2 * out.numel() * module.weight[0].numel())

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    model(pictures(2)["image"])
    assert footprint(SETTINGS | {"backbone": backbone}, 64, 2, "32-true").flops == 3 * sum(products) - products[0]
