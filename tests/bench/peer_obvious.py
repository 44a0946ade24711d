"""The obvious way to read the shards in PyTorch: what one writes with the `tfrecord` package and a DataLoader."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
import cv2
import numpy as np
import PIL.Image
import torch
from albumentations.pytorch import ToTensorV2
from tfrecord.torch.dataset import MultiTFRecordDataset
from torch.utils.data import DataLoader

from .protocol import Candidate, Job, drawn_from

PACKAGES = ("torch", "tfrecord", "pillow", "albumentations", "opencv-python-headless")
SHUFFLED = 128  # records that each worker shuffles: it may hold no more than its share of a small data set

cv2.setNumThreads(0)
torch.set_num_threads(1)
AUGMENT = A.Compose([A.HorizontalFlip(p=0.5), A.Normalize(), ToTensorV2()])


def candidates(job: Job) -> dict[str, Candidate]:
    return {"obvious": drawn_from(_counts(job))}


def _counts(job: Job) -> Iterator[int]:
    shards = [path.stem for path in Path(job.folder).glob("*.tfrec")]
    records = MultiTFRecordDataset(
        f"{job.folder}/{{}}.tfrec",
        f"{job.indices}/{{}}.tfindex",
        dict.fromkeys(shards, 1 / len(shards)),
        {"image": "byte", "class": "int"},
        shuffle_queue_size=SHUFFLED,
        transform=_decode,
    )
    for images, _ in DataLoader(records, batch_size=job.batch_size, num_workers=job.threads):
        yield len(images)


def _decode(record: dict[str, Any]) -> tuple[torch.Tensor, int]:
    picture = np.asarray(PIL.Image.open(io.BytesIO(record["image"])).convert("RGB"))
    return AUGMENT(image=picture)["image"], int(record["class"][0])
