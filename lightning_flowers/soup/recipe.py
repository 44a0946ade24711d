"""The weights of runs, or of one run's epochs, their mean, and which of them make it better on val."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lightning_flowers.data.splits.fingerprints import difference
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import Run, read_run
from lightning_flowers.use.members import read_checkpoint

Weights = dict[str, Tensor]
Method = Literal["greedy", "uniform"]
Score = Callable[[Weights], float]


class Ingredient(NamedTuple):
    """A run, and its best checkpoint's weights; or those of one of its epochs.

    Attributes:
        path: of the run; or of the epoch's checkpoint.
    """

    run: Run
    weights: Weights
    path: Path


class Soup(NamedTuple):
    """A soup.

    Attributes:
        members: what went into it.
        weights: their mean.
        macro_f1: of the soup, on val.
        singles: the macro F1 on val of each ingredient that was given, in their order.
    """

    members: list[Ingredient]
    weights: Weights
    macro_f1: float
    singles: list[float]


def read_ingredients(paths: Sequence[str]) -> list[Ingredient]:
    """The runs that go into a soup, in the order given; of one run alone the epochs that it has kept.

    Raises:
        UserError: there are fewer than two, one twice, or one that cannot be averaged with the first: of another
            backbone or head, of other classes or other val records.
    """
    if not paths:
        raise UserError("soup: give two runs or more of one backbone, such as runs/densenet201*")
    if len(paths) == 1:
        return _read_epochs(Path(paths[0]))
    places = [Path(path).resolve() for path in paths]
    twice = next((path for number, path in enumerate(places) if path in places[:number]), None)
    if twice:
        raise UserError(f"soup: {twice}: given twice")
    found = [_read(Path(path)) for path in paths]
    for other in found[1:]:
        _check_alike(found[0], other)
    return found


def make_soup(ingredients: Sequence[Ingredient], method: Method, score: Score) -> Soup:
    """Average runs as in Wortsman et al. 2022, "Model soups", arXiv:2203.05482 (recipe 1 for greedy).

    Args:
        ingredients: two or more.
        method: uniform takes all; greedy begins with the best and adds, best first, each that does not make it worse.
        score: macro F1 on val of a model with such weights.
    """
    singles = [score(each.weights) for each in ingredients]
    if method == "uniform":
        weights = mean([each.weights for each in ingredients])
        return Soup(list(ingredients), weights, score(weights), singles)
    order = sorted(range(len(singles)), key=lambda number: -singles[number])
    members, best = [ingredients[order[0]]], singles[order[0]]
    for number in order[1:]:
        found = score(mean([each.weights for each in (*members, ingredients[number])]))
        if found >= best:
            members, best = [*members, ingredients[number]], found
    return Soup(members, mean([each.weights for each in members]), best, singles)


def mean(weights: Sequence[Weights]) -> Weights:
    """The mean of weights of the same names and shapes; whole numbers, which are counts, are those of the first.

    Statistics of BatchNorm are averaged like weights.
    """
    return {
        name: torch.stack([one[name].double() for one in weights]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first
        for name, first in weights[0].items()
    }


def best_checkpoint(run: Run) -> dict[str, Any]:
    """A run's best checkpoint, on the host.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    return read_checkpoint(RunFolder.open(run.path).checkpoint())


def _read(path: Path) -> Ingredient:
    run = read_run(path)
    if run.best is None:
        raise UserError(f"{path}: was not validated: a soup is chosen by macro F1 on val: leave it out")
    return Ingredient(run, best_checkpoint(run)["state_dict"], path)


def _read_epochs(path: Path) -> list[Ingredient]:
    run, kept = read_run(path), RunFolder.open(path).kept_epochs()
    if len(kept) < 2:
        raise UserError(f"soup: {path} has not kept epochs, as fit --save_top_k=3 does: give two runs or more")
    return [Ingredient(run, read_checkpoint(file)["state_dict"], file) for file in kept]


def _check_alike(first: Ingredient, other: Ingredient) -> None:
    one, two = first.run, other.run
    if one.timm_name != two.timm_name:
        raise UserError(f"{two.path}: is a {two.timm_name}, {one.path} a {one.timm_name}: a soup is of one backbone")
    shapes = [{name: tuple(tensor.shape) for name, tensor in each.weights.items()} for each in (first, other)]
    if shapes[0] != shapes[1]:
        raise UserError(f"{two.path}: has another head or number of classes than {one.path}: leave it out")
    if one.data.class_names != two.data.class_names:
        raise UserError(f"{two.path}: has other classes than {one.path}, or in another order: leave it out")
    vals = [run.data.fingerprints.get("val") for run in (one, two)]
    if any(vals) and (what := difference(*vals)):
        raise UserError(f"{two.path}: its val is not that of {one.path} ({what}): the soup could not be chosen by it")
