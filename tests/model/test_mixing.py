"""Mixup and CutMix: golden values, padding, draws that resume, and nothing that hangs on values."""

from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from lightning_flowers.batch import Batch
from lightning_flowers.model import mixing
from lightning_flowers.model.mixing import Draw, cutmix_box

mix: Any = mixing.mix  # what it gives has more than a batch must have
Mixing: Any = mixing.Mixing

BOTH = [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)]


def batch_of(size=4, side=8, padding=0) -> Batch:
    """Pictures of one value each, 10 times their place, in the order of memory that the loader gives."""
    image = (torch.arange(size, dtype=torch.uint8) * 10).view(size, 1, 1, 1).expand(size, side, side, 3)
    mask = torch.arange(size) < size - padding
    label = torch.where(mask, torch.arange(size), -1)
    return Batch(image=image.contiguous().permute(0, 3, 1, 2), label=label, index=label, mask=mask)


def drawn(outside, own, box=(0, 0, 0, 0), size=4) -> Draw:
    return Draw(*(torch.full((size,), float(number)) for number in (outside, own, *box)))


def test_mixup_blends_each_picture_with_the_one_before_it():
    mixed = mix(batch_of(), drawn(0.75, 0.75))
    assert mixed["image"][:, 0, 0, 0].tolist() == [7.5, 7.5, 17.5, 27.5]
    assert mixed["label"].tolist() == [0, 1, 2, 3]
    assert mixed["other_label"].tolist() == [3, 0, 1, 2]
    assert mixed["weight"].tolist() == [0.75] * 4


def test_the_major_label_is_the_one_that_weighs_most():
    mixed = mix(batch_of(), drawn(0.25, 0.25))
    assert mixed["image"][:, 0, 0, 0].tolist() == [22.5, 2.5, 12.5, 22.5]
    assert mixed["label"].tolist() == [3, 0, 1, 2]
    assert mixed["other_label"].tolist() == [0, 1, 2, 3]
    assert mixed["weight"].tolist() == [0.75] * 4


def test_cutmix_pastes_the_box_of_the_one_before():
    mixed = mix(batch_of(), drawn(1, 1 - 6 / 64, box=(1, 4, 5, 7)))
    wanted = torch.full((8, 8), 20.0)
    wanted[1:4, 5:7] = 10
    assert torch.equal(mixed["image"][2], wanted.expand(3, 8, 8))


@pytest.mark.parametrize(
    ("share", "row", "column", "wanted"),
    [
        (0.75, 0.5, 0.5, [8, 24, 8, 24]),  # a quarter of 32x32 is 16x16
        (0.75, 0.0, 0.99, [0, 8, 23, 32]),  # cut off at the corner
        (1.0, 0.5, 0.5, [16, 16, 16, 16]),  # nothing
        (0.0, 0.5, 0.5, [0, 32, 0, 32]),  # everything
        (0.75, 0.5, 0.25, [8, 24, 0, 16]),
    ],
)
def test_a_box_has_the_area_drawn_and_is_cut_off_at_the_edges(share, row, column, wanted):
    box = cutmix_box(*(torch.tensor([number]) for number in (share, row, column)), height=32, width=32)
    assert [edge.item() for edge in box] == wanted


@pytest.mark.parametrize(("mixup", "cutmix"), BOTH)
@pytest.mark.parametrize("height", [16, 23])
def test_labels_weigh_what_their_pictures_do(mixup, cutmix, height):
    torch.manual_seed(0)
    batch = batch_of(size=64, side=height)
    batch["image"] = torch.where(batch["label"] % 2 > 0, 200, 0).to(torch.uint8).view(-1, 1, 1, 1) + 0 * batch["image"]
    mixed = Mixing(mixup, cutmix)(batch)
    bright = mixed["image"].mean((1, 2, 3)) / 200
    torch.testing.assert_close(torch.where(mixed["label"] % 2 > 0, bright, 1 - bright), mixed["weight"])
    assert mixed["weight"].min() >= 0.5


@pytest.mark.parametrize(("mixup", "cutmix"), BOTH)
def test_padding_and_those_beside_it_stay_as_they_are(mixup, cutmix):
    batch = batch_of(size=6, padding=2)
    mixed = Mixing(mixup, cutmix)(batch)
    for row in (0, 4, 5):  # the first one's partner is the last
        assert torch.equal(mixed["image"][row], batch["image"][row].float())
        assert mixed["label"][row] == batch["label"][row]
        assert mixed["weight"][row] == 1
    assert torch.equal(mixed["mask"], batch["mask"])
    assert (mixed["other_label"][1:4] >= 0).all()


@pytest.mark.parametrize("size", [1, 5])
def test_odd_batches_are_mixed_too(size):
    mixed = Mixing(1.0, 1.0)(batch_of(size=size))
    assert mixed["image"].shape == (size, 3, 8, 8)


def test_pictures_keep_their_order_in_memory():
    assert Mixing(1.0, 1.0)(batch_of())["image"].is_contiguous(memory_format=torch.channels_last)


def test_one_kind_alone_is_always_that_kind_and_both_are_half_and_half():
    torch.manual_seed(0)
    mixup, cutmix, both = (Mixing(*alphas).draw(1000, 32, 32) for alphas in BOTH)
    assert (mixup.bottom == 0).all()
    assert (cutmix.outside == 1).all()
    assert 420 < (both.outside == 1).sum() < 580  # 5 standard deviations


def test_weights_are_drawn_from_beta():
    torch.manual_seed(0)
    weight = Mixing(0.4, 0.0).draw(20_000, 8, 8).own
    assert weight.mean() == pytest.approx(0.5, abs=0.02)
    assert weight.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.05)  # of Beta(alpha, alpha)


def test_torch_s_random_state_gives_the_same_mixture_again():
    mixing = Mixing(0.4, 1.0)
    mixing(batch_of())
    state = torch.get_rng_state()
    first = mixing(batch_of())
    assert not torch.equal(mixing(batch_of())["image"], first["image"])
    torch.set_rng_state(state)
    assert torch.equal(mixing(batch_of())["image"], first["image"])


def test_nothing_is_read_back_and_no_shape_hangs_on_a_value():
    """On the meta device there are no values: whatever asked for one would fail."""
    batch = Batch(**{name: tensor.to("meta") for name, tensor in batch_of().items()})  # pyright: ignore
    mixed = Mixing(0.4, 1.0)(batch)
    assert mixed["image"].shape == (4, 3, 8, 8)
    assert mixed["image"].dtype == torch.float32


def test_every_step_runs_the_same_operations():
    """Else XLA would compile the train step anew."""
    torch.manual_seed(0)
    mixing = Mixing(0.4, 1.0)
    graphs = [make_fx(mix)(batch_of(), mixing.draw(4, 8, 8)).code for _ in range(4)]
    assert len(set(graphs)) == 1
