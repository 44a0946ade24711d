"""Augmentation: drawn from its key alone."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_flowers.data.augmentation.augment import Augment, random_bits
from lightning_flowers.data.augmentation.presets import PRESETS

SIZE = 24
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
MIRRORS = [(slice(None, None, rows), slice(None, None, columns)) for rows in (1, -1) for columns in (1, -1)]
KEYS = [(0, epoch, record) for epoch in range(2) for record in range(8)]


def augmented(augment: Augment, keys: list[tuple[int, ...]], threads: int = 1) -> dict[tuple[int, ...], bytes]:
    with ThreadPoolExecutor(threads) as pool:
        pictures = pool.map(lambda key: augment(PICTURE.copy(), *key).tobytes(), keys)
        return dict(zip(keys, pictures, strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_key_gives_the_same_picture_on_other_threads_and_in_other_order(preset: str) -> None:
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


@pytest.mark.parametrize("preset", ["flips", "crop", "study", "affine"])
def test_the_other_presets_are_true(preset: str) -> None:
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


def test_the_two_flips_of_study_come_apart() -> None:
    augment = Augment([{"HorizontalFlip": {"p": 0.5}}, {"VerticalFlip": {"p": 0.5}}], SIZE)
    pictures = list(augmented(augment, [(0, 0, record) for record in range(400)]).values())
    counts = [pictures.count(PICTURE[rows, columns].tobytes()) for rows, columns in MIRRORS]
    assert sum(counts) == 400
    assert min(counts) > 57  # 100 less 5 standard deviations


def test_a_crop_is_a_quarter_of_the_picture_or_more_mirrored_half_of_the_time() -> None:
    rows, columns = np.mgrid[:96, :96]
    picture = np.stack([rows, columns, 0 * rows], 2).astype(np.uint8)  # each pixel says where it was
    seen = [Augment("crop", 96)(picture, 0, 0, record).astype(int) for record in range(200)]
    sides = np.array([(np.ptp(out[..., 0]) + 1, np.ptp(out[..., 1]) + 1) for out in seen])
    shares = sides.prod(1) / 96**2
    assert 0.23 < shares.min() < 0.32
    assert shares.max() > 0.9
    assert (sides[:, 0] / sides[:, 1]).max() < 1.4
    assert 70 < sum(out[0, 0, 1] > out[0, -1, 1] for out in seen) < 130
    assert all(out[0, 0, 0] <= out[-1, 0, 0] for out in seen)  # never upside down


@pytest.mark.parametrize("name", ["trivial", "randaugment", "erasing"])
def test_a_named_pipeline_changes_a_picture_the_same_way_for_the_same_key(name: str) -> None:
    augment = Augment(name, SIZE)
    keys = [(0, epoch, 5) for epoch in range(24)]
    seen = augmented(augment, [*keys])
    assert augmented(augment, keys[::-1], threads=3) == seen
    assert len(set(seen.values())) > 8
    assert (augment.content, bool(augment)) == (name, True)


def test_affine_moves_the_picture_and_keeps_its_colours() -> None:
    picture = np.full((SIZE, SIZE, 3), (200, 120, 40), np.uint8)
    augment = Augment("affine", SIZE)
    for record in range(20):
        np.testing.assert_array_equal(augment(picture, 0, 0, record), picture)  # no black corners either
    assert len(set(augmented(augment, [(0, 0, record) for record in range(20)]).values())) == 20


@pytest.mark.parametrize("preset", PRESETS)
def test_a_read_only_row_of_a_cache_goes_augmented_into_a_row_of_a_batch(preset: str) -> None:
    cache = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
    cache.flags.writeable = False
    batch = np.full_like(cache, 7)
    augment = Augment(preset, SIZE)
    for record in range(8):
        augment.into(cache[record], batch[record], 3, 1, record)
        np.testing.assert_array_equal(batch[record], augment(cache[record], 3, 1, record))
        assert not (batch[record + 1 :] != 7).any()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_picture_can_be_augmented_in_place(preset: str) -> None:
    augment = Augment(preset, SIZE)
    for record in range(8):
        row = PICTURE.copy()[None]
        augment.into(row[0], row[0], 0, 0, record)
        np.testing.assert_array_equal(row[0], augment(PICTURE, 0, 0, record))


def test_a_transform_that_works_in_place_leaves_the_cache_alone() -> None:
    picture = PICTURE.copy()
    picture.flags.writeable = False
    augment = Augment([{"CoarseDropout": {"p": 1}}, {"Solarize": {"p": 1}}, {"PixelDropout": {"p": 1}}], SIZE)
    assert augment(picture, 0, 0, 0).tobytes() != PICTURE.tobytes()
    np.testing.assert_array_equal(picture, PICTURE)


def test_the_mixing_of_bits_is_splitmix64() -> None:
    assert random_bits(0) == 0xE220A8397B1DCDAF  # its first number for the seed 0


@pytest.mark.parametrize("bit", [0, 1, 31, 63])
def test_each_bit_is_a_fair_coin_whichever_of_seed_epoch_and_record_goes_on(bit: int) -> None:
    coins = np.array([[[random_bits(*k) >> bit & 1 for k in row] for row in plane] for plane in grid(16)], float) - 0.5
    limit = 5 * 0.5 * coins.size**0.5  # 5 standard deviations of a sum of coins that are 1/2 or -1/2
    assert abs(coins.sum()) < limit
    for axis in range(3):
        for lag in (1, 2, 8):  # a coin must not foretell that of a later seed, epoch or record
            assert abs((2 * coins * np.roll(coins, lag, axis)).sum()) < limit
        assert np.ptp(coins.mean(axis=(axis, (axis + 1) % 3))) < 10 * 0.5 / 16  # and each of them has fair ones


def grid(side: int) -> list[list[list[tuple[int, int, int]]]]:
    numbers = range(side)
    return [[[(seed, epoch, record) for record in numbers] for epoch in numbers] for seed in numbers]


def test_no_two_keys_share_their_bits() -> None:
    keys = [key for plane in grid(32) for row in plane for key in row]
    assert len({random_bits(*key) for key in keys}) == len(keys)


def test_a_preset_does_not_import_albumentations() -> None:
    code = "from lightning_flowers.data.augmentation.augment import Augment; Augment('study', 8)"
    run = [sys.executable, "-c", f"import sys; {code}; sys.exit('albumentations' in sys.modules)"]
    assert subprocess.run(run, check=False).returncode == 0
