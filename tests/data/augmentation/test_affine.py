"""The rotation kernel's matrix: golden values, and where it takes a picture."""

import cv2
import numpy as np
import pytest

from lightning_flowers.data.augmentation.presets import affine_matrix, draw_affine, warp

STILL = {"rotation": 0.0, "shear": 0.0, "zoom": (1.0, 1.0), "shift": (0.0, 0.0)}
PICTURE = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ({"rotation": 90.0}, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
        ({"rotation": 30.0}, [[0.8660254, 0.5, 0], [-0.5, 0.8660254, 0], [0, 0, 1]]),
        ({"shear": 30.0}, [[1, 0.5, 0], [0, 0.8660254, 0], [0, 0, 1]]),
        ({"zoom": (2.0, 4.0)}, [[0.5, 0, 0], [0, 0.25, 0], [0, 0, 1]]),
        ({"shift": (3.0, -2.0)}, [[1, 0, 3], [0, 1, -2], [0, 0, 1]]),
        # rotation @ shear @ zoom @ shift, worked out by hand: [[0, 1], [-1, 0]] @ [[1, .5], [0, .8660254]] = ...
        (
            {"rotation": 90.0, "shear": 30.0, "zoom": (2.0, 4.0), "shift": (8.0, 16.0)},
            [[0, 0.21650635, 3.46410162], [-0.5, -0.125, -6.0], [0, 0, 1]],
        ),
    ],
)
def test_the_matrix_is_rotation_times_shear_times_zoom_times_shift(change: dict, wanted: list) -> None:
    np.testing.assert_allclose(affine_matrix(**{**STILL, **change}), wanted, atol=1e-8)


def test_the_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(warp(PICTURE, affine_matrix(**STILL)), PICTURE)


def test_a_positive_rotation_turns_clockwise_about_the_middle() -> None:
    np.testing.assert_array_equal(warp(PICTURE, affine_matrix(**{**STILL, "rotation": 90.0})), np.rot90(PICTURE, -1))


def test_beyond_the_edge_its_nearest_pixel_goes_on() -> None:
    shifted = warp(PICTURE, affine_matrix(**{**STILL, "shift": (3.0, 0.0)}))
    np.testing.assert_array_equal(shifted[3:], PICTURE[:-3])
    np.testing.assert_array_equal(shifted[:3], np.repeat(PICTURE[:1], 3, axis=0))


def test_zoom_enlarges_height_and_width_by_themselves() -> None:
    picture = np.zeros((41, 41, 3), np.uint8)
    cv2.circle(picture, (20, 20), 5, (255, 255, 255), -1)
    rows, columns = np.nonzero(warp(picture, affine_matrix(**{**STILL, "zoom": (2.0, 1.0)}))[..., 0] > 127)
    assert np.ptp(rows) == pytest.approx(20, abs=2)
    assert np.ptp(columns) == pytest.approx(10, abs=1)


def test_the_draws_have_the_kernels_spread_and_its_shift_grows_with_the_picture() -> None:
    generator = np.random.default_rng(0)
    matrices = np.array([draw_affine(generator, 512, 512) for _ in range(4000)])
    turned = np.degrees(np.arctan2(-matrices[:, 1, 0], matrices[:, 0, 0]))
    assert turned.std() == pytest.approx(15, rel=0.05)
    moved = np.linalg.solve(matrices[:, :2, :2], matrices[:, :2, 2:])[..., 0]
    np.testing.assert_allclose(moved.std(axis=0), 16, rtol=0.05)
    large, small = (draw_affine(np.random.default_rng(1), size, size) for size in (512, 256))
    np.testing.assert_allclose(small[:, 2], large[:, 2] * [0.5, 0.5, 1])
