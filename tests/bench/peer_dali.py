"""NVIDIA DALI on the CPU: decoded and flipped uint8 pictures."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""
from nvidia.dali import fn, pipeline_def  # pyright: ignore[reportMissingImports]
from nvidia.dali import tfrecord as features  # pyright: ignore[reportMissingImports]

from .protocol import Candidate, Job, drawn_from

PACKAGES = ("nvidia-dali-cuda120",)
SHUFFLED = 1024  # encoded pictures


def candidates(job: Job) -> dict[str, Candidate]:
    return {"dali": drawn_from(_counts(job))}


def _counts(job: Job) -> Iterator[int]:
    pipeline = _pipeline(job)
    pipeline.build()
    while True:
        images, _ = pipeline.run()
        yield len(images)


def _pipeline(job: Job) -> Any:
    shards = sorted(Path(job.folder).glob("*.tfrec"))
    wanted = {
        "image": features.FixedLenFeature((), features.string, ""),
        "class": features.FixedLenFeature([1], features.int64, 0),
    }

    @pipeline_def(batch_size=job.batch_size, num_threads=job.threads, device_id=None)
    def build() -> Any:
        record = fn.readers.tfrecord(
            path=[str(shard) for shard in shards],
            index_path=[f"{job.indices}/{shard.stem}.tfindex" for shard in shards],
            features=wanted,
            random_shuffle=True,
            initial_fill=SHUFFLED,
        )
        images = fn.decoders.image(record["image"], device="cpu")
        return fn.flip(images, horizontal=fn.random.coin_flip()), record["class"]

    return build()
