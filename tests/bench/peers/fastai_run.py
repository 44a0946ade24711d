"""fastai's `fine_tune` as its documentation has it. A script: needs fastai and timm, and nothing of ours.

`python fastai_run.py FOLDER WEIGHTS SIZE EPOCHS SEED FILE [lr=...] [crop=...] [smoothing=...]` trains on FOLDER/train,
and writes how it names each picture of FOLDER/val to FILE: lines of picture,class.
"""

import sys
from pathlib import Path

from fastai.vision.all import (  # pyright: ignore[reportMissingImports]: of an environment of its own
    ImageDataLoaders,
    LabelSmoothingCrossEntropyFlat,
    Resize,
    aug_transforms,
    set_seed,
    vision_learner,
)

BATCH = 32


def main(folder: Path, weights: str, size: int, epochs: int, seed: int, file: Path, **settings: float) -> None:
    """The head alone for one epoch, then all for the others: what `fine_tune` does by itself."""
    set_seed(seed, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="val",
        item_tfms=Resize(size),
        batch_tfms=aug_transforms(size=size, min_scale=settings.get("crop", 1.0)),
        bs=BATCH,
    )
    smoothing = LabelSmoothingCrossEntropyFlat(eps=settings["smoothing"]) if "smoothing" in settings else None
    learner = vision_learner(
        loaders, "tf_efficientnet_lite0", loss_func=smoothing, pretrained_cfg_overlay={"file": weights}
    )
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs - 1, settings.get("lr", 2e-3))
        guesses = learner.get_preds(ds_idx=1)[0].argmax(1)
    names = loaders.vocab[guesses]
    pictures = [Path(picture).relative_to(folder / "val") for picture in loaders.valid_ds.items]
    file.write_text("".join(f"{picture},{name}\n" for picture, name in zip(pictures, names, strict=True)))


if __name__ == "__main__":
    root, weights_file, pixels, passes, start, target, *others = sys.argv[1:]
    given = {name: float(value) for name, value in (part.split("=") for part in others)}
    main(Path(root), weights_file, int(pixels), int(passes), int(start), Path(target), **given)
