"""Augmentation: drawn from its key alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_flowers.data.augment import PRESETS, Augment, Preset

SIZE = 24
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
KEYS = [(0, epoch, record) for epoch in range(2) for record in range(8)]


def augmented(augment: Augment, keys: list[tuple[int, ...]], threads: int = 1) -> dict[tuple[int, ...], bytes]:
    with ThreadPoolExecutor(threads) as pool:
        pictures = pool.map(lambda key: augment(PICTURE.copy(), *key).tobytes(), keys)
        return dict(zip(keys, pictures, strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_key_gives_the_same_picture_on_other_threads_and_in_other_order(preset: Preset) -> None:
    expected = augmented(Augment(preset, SIZE), [*KEYS])
    augment = Augment(preset, SIZE)
    assert augmented(augment, KEYS[::-1], threads=3) == expected
    assert augmented(augment, KEYS[::2] + KEYS[1::2], threads=3) == expected


def test_numpy_s_own_random_state_has_no_part_in_it() -> None:
    np.random.seed(1)
    first = augmented(Augment("study", SIZE), [*KEYS])
    np.random.seed(2)
    assert augmented(Augment("study", SIZE), [*KEYS]) == first


@pytest.mark.parametrize("place", [0, 1, 2], ids=["seed", "epoch", "record"])
def test_another_seed_epoch_or_record_gives_another_picture(place: int) -> None:
    keys = [tuple(number if at == place else 5 for at in range(3)) for number in range(8)]
    assert len(set(augmented(Augment("study", SIZE), [*keys]).values())) == 8


def test_the_order_of_a_key_s_numbers_counts() -> None:
    keys = [(1, 2, 3), (3, 2, 1), (2, 1, 3), (1, 3, 2)]
    assert len(set(augmented(Augment("study", SIZE), [*keys]).values())) == 4


def test_none_changes_nothing_and_is_false() -> None:
    augment = Augment("none", SIZE)
    assert not augment
    assert set(augmented(augment, [*KEYS]).values()) == {PICTURE.tobytes()}


@pytest.mark.parametrize("preset", ["flips", "study"])
def test_the_other_presets_are_true(preset: Preset) -> None:
    assert Augment(preset, SIZE)


def test_flips_gives_the_picture_or_its_mirror_about_half_each() -> None:
    pictures = list(augmented(Augment("flips", SIZE), [(0, 0, record) for record in range(400)]).values())
    assert set(pictures) == {PICTURE.tobytes(), PICTURE[:, ::-1].tobytes()}
    assert 150 < pictures.count(PICTURE.tobytes()) < 250  # 5 standard deviations


@pytest.mark.parametrize("size", [1, 24, 33])
def test_study_keeps_shape_and_type(size: int) -> None:
    augment = Augment("study", size)
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    for record in range(20):
        out: NDArray[np.uint8] = augment(picture.copy(), 0, 0, record)
        assert out.shape == picture.shape
        assert out.dtype == np.uint8


def test_study_turns_crops_and_recolours_but_keeps_most_of_the_light() -> None:
    picture = np.full((SIZE, SIZE, 3), (200, 120, 40), np.uint8)
    augment = Augment("study", SIZE)
    pictures = [augment(picture.copy(), 0, 0, record) for record in range(60)]
    assert any((out == 0).all(axis=2).any() for out in pictures)  # corners left empty by a rotation
    middles = np.array([out[SIZE // 2, SIZE // 2] for out in pictures], int)
    assert len(np.unique(middles, axis=0)) > 10  # brightness, contrast and saturation
    assert (middles[:, 0] > middles[:, 2]).all()  # never the hue
