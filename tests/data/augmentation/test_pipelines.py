"""Pipelines from YAML: both forms, and a line for each mistake."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.augmentation.pipelines import A, Pipeline
from lightning_flowers.errors import UserError

SIZE = 24
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
READABLE = """
- RandomResizedCrop: {size: [24, 24], scale: [0.5, 1.0]}
- OneOf:
    p: 0.5
    transforms:
      - Rotate: {limit: 30}
      - HorizontalFlip: {p: 1.0}
- Transpose
- Affine: {p: 0.3, shear: [-5, 5]}
"""


def pictures(augment: Augment) -> list[bytes]:
    return [augment(PICTURE, 0, 0, record).tobytes() for record in range(20)]


def test_a_file_and_the_same_inline_give_the_same_pictures(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(READABLE)
    augment = Augment(str(path), SIZE)
    assert augment
    assert len(set(pictures(augment))) > 10
    assert pictures(augment) == pictures(Augment(yaml.safe_load(READABLE), SIZE))


@pytest.mark.parametrize("data_format", ["yaml", "json"])
def test_what_albumentations_saved_is_read_and_gives_the_same_pictures(tmp_path: Path, data_format: Any) -> None:
    path = tmp_path / "saved"
    crop = A.RandomResizedCrop((SIZE, SIZE), scale=(0.5, 1.0))
    A.save(A.Compose([crop, A.OneOf([A.Rotate(30), A.HorizontalFlip()])]), path, data_format=data_format)
    inline = [{"RandomResizedCrop": {"size": [SIZE, SIZE], "scale": [0.5, 1.0]}}]
    inline += [{"OneOf": {"transforms": [{"Rotate": {"limit": 30}}, "HorizontalFlip"]}}]
    assert pictures(Augment(str(path), SIZE)) == pictures(Augment([{"Compose": {"transforms": inline}}], SIZE))


def test_a_single_transform_needs_no_list() -> None:
    assert pictures(Augment({"Rotate": {"p": 1}}, SIZE)) == pictures(Augment([{"Rotate": {"p": 1}}], SIZE))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([{"HorizontlFlip": {}}], "has no transform HorizontlFlip: did you mean HorizontalFlip?"),
        ([{"Qqqqq": {}}], "has no transform Qqqqq: see"),
        ([{"HorizontalFlip": {"prob": 0.5}}], "HorizontalFlip has no argument prob: it has p"),
        ([{"OneOf": {"prob": 1, "transforms": []}}], "OneOf has no argument prob: it has transforms, p"),
        ([{"OneOf": {"transforms": [{"Rotate": {"limi": 3}}]}}], "Rotate has no argument limi: it has limit, "),
        ([{"HorizontalFlip": {"p": 2}}], "HorizontalFlip: p: Input should be less than or equal to 1"),
        ([{"RandomCrop": {"width": 3}}], "RandomCrop: height: Field required"),
        ([{"OneOf": {}}], "OneOf: .* 'transforms'"),
        ([{"OneOf": {"transforms": None}}], "None is no transform: write a list of such as"),
        ([{"HorizontalFlip": {}, "Rotate": {}}], "is no transform: write a list of such as"),
        ([3], "3 is no transform: write a list of such as"),
        (["Normalize"], "the pipeline gives float32 pictures, not uint8: leave it out"),
        (
            [{"Normalize": {"p": 0.01}}, "HorizontalFlip"],
            "the pipeline gives float32 pictures, not uint8: leave it out",
        ),
        (["ToTensorV2"], "ToTensorV2 gives no picture: leave it out"),
        (
            ["Transpose", {"RandomCrop": {"height": 20, "width": 16}}, "HorizontalFlip"],
            "the pipeline gives (20x16|16x20)x3 pictures, not 24x24x3: end with `- Resize: {height: 24, width: 24}`",
        ),
        ([{"RandomCrop": {"height": 40, "width": 40}}], "the pipeline fails: Crop size"),
        (["MaskDropout"], "the pipeline fails: .*mask"),
    ],
)
def test_a_mistake_in_a_pipeline_is_told_in_one_line(spec: Any, message: str) -> None:
    with pytest.raises(UserError, match=r"^--data\.augment: " + rf".*{message}") as caught:
        Augment(spec, SIZE)
    assert "\n" not in str(caught.value)


def test_a_fault_that_a_later_transform_puts_right_is_none() -> None:
    assert Augment([{"RandomCrop": {"height": 20, "width": 16}}, {"Resize": {"height": 24, "width": 24}}], SIZE)
    assert Augment(["ToFloat", "FromFloat"], SIZE)


@pytest.mark.parametrize(
    ("text", "message"),
    [("- [", "is not YAML: "), ("", "None is no transform"), ("- HorizontlFlip", "did you mean HorizontalFlip")],
)
def test_a_mistake_in_a_file_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"--data\.augment={path}: .*{message}"):
        Augment(str(path), SIZE)


def test_what_is_neither_a_preset_nor_a_file_is_named() -> None:
    with pytest.raises(UserError, match=r"--data\.augment=flip: neither a preset nor a file: did you mean flips\?"):
        Augment("flip", SIZE)
    with pytest.raises(
        UserError, match=r"--data\.augment=a/b\.yaml: .*: the presets are none, flips, crop, .*, trivial"
    ):
        Augment("a/b.yaml", SIZE)


def test_a_fault_that_comes_by_chance_is_found_in_the_run() -> None:
    run = Pipeline(A.Compose([A.RandomCrop(8, 8)]))
    with pytest.raises(UserError, match=r"--data\.augment: the pipeline gives 8x8x3 pictures, not 24x24x3"):
        run(PICTURE, np.empty_like(PICTURE), 0)
