from pathlib import Path

import pytest
import torch

from lightning_flowers.run.results import Run
from lightning_flowers.soup.recipe import Ingredient, make_soup, mean


def ingredient(*values):
    weights = {"w": torch.tensor(values), "count": torch.tensor(7)}
    return Ingredient(Run(path=Path("/runs/x")), weights, Path("/runs/x"))


def score(weights):
    """The nearer to (1, 1), the better."""
    return float(1 - (weights["w"] - 1).abs().sum())


def test_the_mean_is_of_each_weight_and_counts_stay():
    found = mean(
        [{"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}, {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(5)}]
    )
    assert found["w"].tolist() == [2.0, 4.0]
    assert found["w"].dtype == torch.float32
    assert found["n"].item() == 3


def test_half_precision_is_averaged_exactly():
    parts = [{"w": torch.tensor([value], dtype=torch.float16)} for value in (65000.0, 65000.0, 65000.0)]
    assert mean(parts)["w"].item() == parts[0]["w"].item()


def test_uniform_takes_all():
    soup = make_soup([ingredient(0.0, 1.0), ingredient(2.0, 1.0), ingredient(1.0, 4.0)], "uniform", score)
    assert soup.weights["w"].tolist() == [1.0, 2.0]
    assert soup.macro_f1 == pytest.approx(0.0)
    assert soup.singles == pytest.approx([0.0, 0.0, -2.0])
    assert len(soup.members) == 3


def test_greedy_begins_with_the_best_and_leaves_out_what_makes_it_worse():
    far, near, opposite = ingredient(9.0, 9.0), ingredient(1.5, 1.0), ingredient(0.4, 1.0)
    soup = make_soup([far, near, opposite], "greedy", score)
    assert soup.members == [near, opposite]
    assert soup.macro_f1 == pytest.approx(0.95)
    assert soup.macro_f1 >= max(soup.singles)


def test_greedy_keeps_what_makes_no_difference():
    assert len(make_soup([ingredient(1.0, 1.0), ingredient(1.0, 1.0)], "greedy", score).members) == 2
