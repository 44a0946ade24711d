"""timm's train script, then its own evaluation pipeline on what it has left. A script: needs timm, and nothing of ours.

`python timm_run.py FOLDER WEIGHTS SIZE EPOCHS SEED FILE --flag=...` trains by the script that TIMM_TRAIN names, on
FOLDER/train, and writes how its last epoch names each picture of FOLDER/val to FILE: lines of picture,class.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from timm.data.config import resolve_data_config
from timm.data.dataset import ImageDataset
from timm.data.loader import create_loader
from timm.models import create_model

BATCH = 32


def main(folder: Path, weights: str, size: int, epochs: int, seed: int, file: Path, *flags: str) -> None:
    """As many epochs, as large batches and as many cores as the others have; all else as the flags say."""
    classes = len(list((folder / "train").iterdir()))
    with tempfile.TemporaryDirectory() as output:
        same = [
            *(
                "--model=tf_efficientnet_lite0",
                "--pretrained",
                f"--pretrained-path={weights}",
                f"--num-classes={classes}",
            ),
            *(f"--data-dir={folder}", "--train-split=train", "--val-split=val", f"--epochs={epochs}", f"--seed={seed}"),
            *("--input-size", "3", str(size), str(size), f"--batch-size={BATCH}", "--device=cpu"),
            *(f"--workers={len(os.sched_getaffinity(0))}", f"--output={output}", "--experiment=run"),
        ]
        subprocess.run([sys.executable, os.environ["TIMM_TRAIN"], *same, *flags], check=True)
        predict(Path(output) / "run", folder / "val", classes, file)


def predict(run: Path, pictures: Path, classes: int, file: Path) -> None:
    """Write what the run's last checkpoint says of the pictures; its averaged weights, where it kept such."""
    settings = yaml.safe_load((run / "args.yaml").read_text())
    state = torch.load(run / "last.pth.tar", map_location="cpu", weights_only=False)
    model = create_model(settings["model"], num_classes=classes)
    model.load_state_dict(state.get("state_dict_ema", state["state_dict"]))
    data = resolve_data_config(settings, model=model)
    dataset = ImageDataset(str(pictures))
    loader = create_loader(
        dataset,
        input_size=data["input_size"],
        batch_size=BATCH,
        is_training=False,
        use_prefetcher=False,
        interpolation=data["interpolation"],
        mean=data["mean"],
        std=data["std"],
        crop_pct=data["crop_pct"],
        device=torch.device("cpu"),
    )
    with torch.inference_mode():
        guesses = torch.cat([model.eval()(images).argmax(1) for images, _ in loader]).tolist()
    names = sorted(path.name for path in pictures.iterdir())
    known = zip(dataset.filenames(), guesses, strict=True)
    file.write_text("".join(f"{picture},{names[guess]}\n" for picture, guess in known))


if __name__ == "__main__":
    root, weights_file, pixels, passes, start, target, *others = sys.argv[1:]
    main(Path(root), weights_file, int(pixels), int(passes), int(start), Path(target), *others)
