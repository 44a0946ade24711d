"""Weights of 1x1 convolutions as matrices. Needs no XLA."""

import copy

import pytest
import torch
from torch import nn

from lightning_flowers.hardware.xla.pointwise import Pointwise, to_kernels, to_matrices, with_kernels, with_matrices


@pytest.fixture
def net():
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 6, 1, bias=False), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3, bias=False))
    return nn.Sequential(
        first, nn.Conv2d(4, 5, 1), nn.Conv2d(5, 5, 1, groups=5, bias=False), nn.Conv2d(5, 2, 1, 2, bias=False)
    )


def test_a_model_with_matrices_computes_the_same(net):
    picture = torch.rand(2, 3, 9, 9)
    expected = net.eval()(picture).detach()
    to_matrices(net)
    assert [module.weight.shape for module in net.modules() if isinstance(module, Pointwise)] == [(3, 6), (5, 2)]
    torch.testing.assert_close(net(picture), expected)
    net(picture).sum().backward()
    assert net[0][0].weight.grad.shape == (3, 6)
    to_kernels(net)
    assert not any(isinstance(module, Pointwise) for module in net.modules())
    torch.testing.assert_close(net(picture), expected, rtol=0, atol=0)


def test_a_checkpoint_has_the_usual_shapes_whatever_the_model_has(net):
    net[0][2].requires_grad_(False)  # optimizers do not count what is frozen
    optimizer = torch.optim.Adam([weight for weight in net.parameters() if weight.requires_grad])

    def checkpoint():
        net.zero_grad()
        net(torch.ones(2, 3, 9, 9)).sum().backward()
        optimizer.step()
        weights = dict(net.state_dict())
        content = {
            "state_dict": weights,
            "optimizer_states": [optimizer.state_dict()],
            "callbacks": {"Ema": {"raw": weights}},
        }
        return copy.deepcopy(content)

    usual = checkpoint()
    to_matrices(net)
    matrices = with_matrices(usual, net)
    assert matrices["state_dict"]["3.weight"].shape == matrices["callbacks"]["Ema"]["raw"]["3.weight"].shape == (5, 2)
    net.load_state_dict(matrices["state_dict"])
    optimizer.load_state_dict(matrices["optimizer_states"][0])
    for parameter in net.parameters():
        if parameter.requires_grad:
            assert optimizer.state[parameter]["exp_avg"].shape == parameter.shape
    back = with_kernels(matrices, net)
    assert back.keys() == usual.keys()
    torch.testing.assert_close(back["state_dict"], usual["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(back["callbacks"], usual["callbacks"], rtol=0, atol=0)
    states = [content["optimizer_states"][0]["state"] for content in (back, usual)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
