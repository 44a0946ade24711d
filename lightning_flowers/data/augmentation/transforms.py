"""The transforms that a pipeline may name: albumentations' own, and the rotation kernel's."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.augmentation.affine import draw_affine, warp

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it must not ask the network for a newer release
import albumentations as A

Transform = A.BasicTransform | A.BaseCompose


class KernelAffine(A.ImageOnlyTransform):
    """The rotation kernel's random rotation, shear, zoom and shift (see `affine.py`).

    Args:
        p: probability that it is applied.
    """

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        height, width = params["shape"][:2]
        return {"matrix": draw_affine(self.random_generator, height, width)}

    def apply(self, img: NDArray[Any], matrix: NDArray[np.float64], **params: Any) -> NDArray[Any]:
        return warp(img, matrix)


TRANSFORMS: dict[str, type[Any]] = {
    name: value
    for name, value in [*vars(A).items(), ("KernelAffine", KernelAffine)]
    if isinstance(value, type) and issubclass(value, A.BasicTransform | A.BaseCompose)
}
