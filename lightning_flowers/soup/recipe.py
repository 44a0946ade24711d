"""Which runs go into a soup: all of them, or those that make it better on val."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from lightning_flowers.soup.ingredients import Ingredient, Weights, mean

Method = Literal["greedy", "uniform"]
Score = Callable[[Weights], float]


class Soup(NamedTuple):
    """A soup.

    Attributes:
        members: the runs that went into it.
        weights: their mean.
        macro_f1: of the soup, on val.
        singles: the macro F1 on val of each run that was given, in their order.
    """

    members: list[Ingredient]
    weights: Weights
    macro_f1: float
    singles: list[float]


def cook(ingredients: Sequence[Ingredient], method: Method, score: Score) -> Soup:
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
