"""The flower artist: what it promises of bytes, shapes and errors, and that its species can be told apart."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.draw import draw_flower
from lightning_flowers.data.sources.demo.species import SPECIES

ROWS = range(len(SPECIES))
CHANCE = 1 / len(SPECIES)


def picture(species: int, number: int, size: int = 64) -> NDArray[np.uint8]:
    return draw_flower(species, size, np.random.default_rng([7, species, number]))


def look(flower: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of coarse hues, and of edge directions in nine fields: a poor eye, yet one for colour and form."""
    hue, colourful, bright = cv2.split(cv2.cvtColor(flower, cv2.COLOR_RGB2HSV))
    weight = np.outer(np.hanning(len(flower)), np.hanning(len(flower)))
    bins = (hue // 15).astype(int) * 4 + (colourful // 128).astype(int) * 2 + bright // 128
    hues = np.bincount(bins.ravel(), weight.ravel(), 48)
    down, across = np.gradient(cv2.GaussianBlur(flower, (0, 0), 1).astype(float).max(2))
    turn = (np.arctan2(down, across) % np.pi / np.pi * 7.999).astype(int)
    field = np.add.outer(np.arange(len(flower)) * 3 // len(flower) * 3, np.arange(len(flower)) * 3 // len(flower))
    edges = np.bincount((field * 8 + turn).ravel(), np.hypot(down, across).ravel(), 72)
    return np.concatenate([np.sqrt(hues / hues.sum()), 0.7 * np.sqrt(edges / edges.sum())])


@pytest.fixture(scope="module")
def looks() -> NDArray[np.float64]:
    """Looks (species, pictures, features) of twelve pictures of each species."""
    return np.array([[look(picture(s, n)) for n in range(12)] for s in ROWS])


def test_table_has_sixteen_differently_named_species() -> None:
    names = [kind.name for kind in SPECIES]
    assert len(set(names)) == 16
    assert names == [name.strip() for name in names]
    assert all(names)


def test_colour_alone_does_not_name_the_species() -> None:
    colours = [{tip for _, tip in kind.colours} for kind in SPECIES]
    shared = [any(colours[s] & colours[other] for other in ROWS if other != s) for s in ROWS]
    assert sum(shared) >= 10
    assert sum(len(tips) > 1 for tips in colours) >= 6


@pytest.mark.parametrize("species", ROWS)
def test_every_species_draws_a_picture_at_the_least_size(species: int) -> None:
    flower = draw_flower(species, 32, np.random.default_rng(species))
    assert flower.shape == (32, 32, 3)
    assert flower.std() > 10


@pytest.mark.parametrize("size", [64, 75, 192])
def test_picture_is_contiguous_rgb_bytes(size: int) -> None:
    flower = picture(3, 0, size)
    assert flower.shape == (size, size, 3)
    assert flower.dtype == np.uint8
    assert flower.flags.c_contiguous


@pytest.mark.parametrize("species", ROWS)
def test_same_state_gives_the_same_bytes_and_another_does_not(species: int) -> None:
    assert picture(species, 0).tobytes() == picture(species, 0).tobytes()
    assert picture(species, 0).tobytes() != picture(species, 1).tobytes()


def test_generator_moves_on_between_pictures() -> None:
    rng = np.random.default_rng(0)
    assert draw_flower(0, 64, rng).tobytes() != draw_flower(0, 64, rng).tobytes()


def test_global_random_state_is_left_alone() -> None:
    before = repr(np.random.get_state())
    picture(0, 0)
    assert repr(np.random.get_state()) == before


def test_pictures_of_one_species_differ_in_more_than_noise() -> None:
    for species in ROWS:
        smooth = [
            cv2.resize(picture(species, n), (8, 8), interpolation=cv2.INTER_AREA).astype(float) for n in (0, 1, 2)
        ]
        assert min(np.abs(a - b).mean() for a, b in pairwise(smooth)) > 5, SPECIES[species].name


def test_sunflower_is_yellow_and_poppy_is_not() -> None:
    def yellow(species: int) -> float:
        hsv = np.stack([cv2.cvtColor(picture(species, n), cv2.COLOR_RGB2HSV) for n in range(8)]).astype(int)
        return float(((abs(hsv[..., 0] - 25) < 6) & (hsv[..., 1] > 150) & (hsv[..., 2] > 110)).mean())

    names = [kind.name for kind in SPECIES]
    assert yellow(names.index("sunflower")) > 4 * yellow(names.index("corn poppy"))


def test_species_can_be_told_apart_but_not_at_a_glance(looks: NDArray[np.float64]) -> None:
    known, unseen = looks[:, :8], looks[:, 8:]
    distance = np.linalg.norm(unseen[:, :, None, None] - known[None, None], axis=-1)
    nearest = np.sort(distance, axis=-1)[..., :2].mean(-1).argmin(-1)
    right = float((nearest == np.arange(len(SPECIES))[:, None]).mean())
    assert 4 * CHANCE < right < 1
