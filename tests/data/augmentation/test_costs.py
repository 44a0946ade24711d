"""What augmenting costs against decoding."""

import numpy as np
import pytest
import simplejpeg

from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.augmentation.costs import warn_if_dear

SIZE = 64
ENCODED = [
    simplejpeg.encode_jpeg(np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)) for seed in range(4)
]
SLOW = [{"Rotate": {"p": 1.0}}] * 40


def test_a_pipeline_that_costs_more_than_decoding_is_told_of() -> None:
    with pytest.warns(UserWarning, match=r"--data\.augment: .* ms a picture, against .* 3 threads give at most"):
        warn_if_dear(Augment(SLOW, SIZE), ENCODED, SIZE, threads=3)


@pytest.mark.parametrize("preset", ["none", "flips"])
def test_a_cheap_one_is_not(preset: str) -> None:
    warn_if_dear(Augment(preset, SIZE), ENCODED, SIZE, threads=3)
