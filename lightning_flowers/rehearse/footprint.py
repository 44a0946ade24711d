"""Memory and arithmetic of a training step, from fake tensors: nothing is allocated and nothing is computed."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from lightning_flowers.batch import Batch
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.ema import averaged
from lightning_flowers.rehearse.live import Live, kept_for_backward, storages

BATCHES = 3  # on the device at a time: two ahead of the one in use
_MOMENTS = 2  # of Adam and AdamW


class Footprint(NamedTuple):
    """What a training step needs on one core: bytes, and floating-point operations.

    parameters: with the buffers.
    optimizer: two moments of each trained parameter.
    average: the moving average of the weights, where the model keeps one.
    batch: uint8 pictures, labels, indices and masks of a step; they cross from the host.
    gradients: of the trained parameters.
    activations: what PyTorch keeps for the backward pass.
    products: of these, the outputs of convolutions and matrix products.
    peak: the most at a time of activations, gradients and what is being computed.
    flops: of a step; a multiplication and an addition are two.
    """

    parameters: int
    optimizer: int
    average: int
    batch: int
    gradients: int
    activations: int
    products: int
    peak: int
    flops: int

    @property
    def lasting(self) -> int:
        """Bytes that are there in all of the step: weights, what the optimizer knows of them, and batches."""
        return self.parameters + self.optimizer + self.average + BATCHES * self.batch

    @property
    def most(self) -> int:
        """Bytes if XLA keeps all that PyTorch does."""
        return self.lasting + self.peak

    @property
    def least(self) -> int:
        """Bytes if XLA keeps only what it could not have again without a convolution or a matrix product."""
        return self.lasting + max(self.products, self.gradients)


def footprint(settings: Mapping[str, Any], size: int, batch: int, precision: str) -> Footprint:
    """Estimate what training takes on one core.

    It is an estimate: XLA decides by itself. It fuses normalisations and activation functions into the convolutions
    beside them, and computes more of them again where memory is short: so `most` errs high. It pads the channels of
    narrow layers, up to a multiple of 128, and takes room for the program itself: so both err low there. Mixup's and
    CutMix's pictures in float32 are left out.

    In bf16-mixed, PyTorch's rules for CPUs stand in for XLA's. XLA's normalise in float32, but inside of fusions: what
    is stored between these is bfloat16 either way.

    Args:
        settings: of `FlowerClassifier`; the weights are not loaded.
        size: of the pictures in pixels.
        batch: pictures a step on one core.
        precision: bf16-mixed or 32-true.
    """
    with FakeTensorMode():
        model = FlowerClassifier(**{**settings, "weights": "none", "mixup": 0.0, "cutmix": 0.0})
        pictures = _batch(batch, size)
        step = trace(model, pictures, precision)
    trained = _bytes(parameter for parameter in model.parameters() if parameter.requires_grad)
    return Footprint(
        parameters=_bytes([*model.parameters(), *model.buffers()]),
        optimizer=_MOMENTS * trained,
        average=_bytes(averaged(model).values()) if getattr(model, "ema_decay", 0) else 0,
        batch=_bytes(_of(pictures)),
        gradients=trained,
        **step._asdict(),
    )


class Step(NamedTuple):
    """Of forward and backward pass; see `Footprint`."""

    activations: int
    products: int
    peak: int
    flops: int


def trace(model: FlowerClassifier, pictures: Batch, precision: str) -> Step:
    """Run forward and backward pass, and count; on tensors real or fake, on the CPU."""
    before = storages([*model.parameters(), *model.buffers(), *_of(pictures)])
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward_flops})
    with counter, Live() as live:
        with kept_for_backward() as kept, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = model.training_step(pictures, 0)
        # Before the backward pass: it frees what was kept, and the dictionary forgets it.
        activations = sum(size for storage, size in kept.items() if storage not in before)
        products = sum(size for storage, size in kept.items() if storage in live.products)
        loss.backward()
    return Step(activations, products, live.peak, counter.get_total_flops())


def batch_bytes(batch: int, size: int) -> int:
    """Bytes of a batch's pictures, labels, indices and mask."""
    with FakeTensorMode():
        return _bytes(_of(_batch(batch, size)))


def _batch(batch: int, size: int) -> Batch:
    return Batch(
        image=torch.zeros(batch, 3, size, size, dtype=torch.uint8),
        label=torch.zeros(batch, dtype=torch.int64),
        index=torch.zeros(batch, dtype=torch.int64),
        mask=torch.ones(batch, dtype=torch.bool),
    )


def _of(batch: Batch) -> list[Tensor]:
    return [batch["image"], batch["label"], batch["index"], batch["mask"]]


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _backward_flops(
    grad: Any, image: Any, weight: Any, _bias: Any, _stride: Any, _padding: Any, _dilation: Any, transposed: bool,
    _output_padding: Any, _groups: int, mask: list[bool], out_shape: Any = None,
) -> int:  # fmt: skip
    """Of a convolution's gradients: each of its input's and its weights' takes what the convolution itself took.

    Torch's own count takes a grouped one for a dense one, and is many times too high for depthwise layers.
    """
    return conv_flop_count(image, weight, grad, transposed) * sum(mask[:2])
