"""tf.data, tuned by hand and as the competition's public kernels write it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import tensorflow as tf  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

from .protocol import Candidate, Job, drawn_from

PACKAGES = ("tensorflow-cpu",)
SHUFFLED = 2048  # records, as in the kernels
# Bytes. tf.data doubles its prefetch buffer whenever it was full and is then found empty, which is after each pause
# between samples here: left alone it would grow to half of the memory, and be filled while others are measured.
QUEUED = 1 << 29
FEATURES = {"image": tf.io.FixedLenFeature([], tf.string), "class": tf.io.FixedLenFeature([], tf.int64)}


def candidates(job: Job) -> dict[str, Candidate]:
    """Each keeps its iterator: its shuffle buffer is filled once."""
    return {
        "tfdata_tuned": drawn_from(_counts(lambda: _tuned(job))),
        "tfdata_kernel": drawn_from(_counts(lambda: _kernel(job))),
    }


def _counts(build: Any) -> Iterator[int]:
    for images, _ in build():
        yield int(images.shape[0])


def _tuned(job: Job) -> Any:
    """Encoded pictures are shuffled and uint8 ones batched: a twentieth and a quarter of the kernels' bytes."""

    def read(record: Any) -> Any:
        example = tf.io.parse_single_example(record, FEATURES)
        image = tf.reshape(tf.image.decode_jpeg(example["image"], channels=3), [job.size, job.size, 3])
        return tf.image.random_flip_left_right(image), tf.cast(example["class"], tf.int32)

    records = _records(job).repeat().shuffle(SHUFFLED)
    return records.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(job.batch_size).prefetch(tf.data.AUTOTUNE)


def _kernel(job: Job) -> Any:
    """Decoded float32 pictures are shuffled: 3.1 MB each at 512 px."""

    def read(record: Any) -> Any:
        example = tf.io.parse_single_example(record, FEATURES)
        image = tf.cast(tf.image.decode_jpeg(example["image"], channels=3), tf.float32) / 255.0
        return tf.reshape(image, [job.size, job.size, 3]), tf.cast(example["class"], tf.int32)

    def augment(image: Any, label: Any) -> Any:
        return tf.image.random_flip_left_right(image), label

    pictures = _records(job).map(read, num_parallel_calls=tf.data.AUTOTUNE)
    pictures = pictures.map(augment, num_parallel_calls=tf.data.AUTOTUNE).repeat().shuffle(SHUFFLED)
    return pictures.batch(job.batch_size).prefetch(tf.data.AUTOTUNE)


def _records(job: Job) -> Any:
    shards = sorted(str(path) for path in Path(job.folder).glob("*.tfrec"))
    options = tf.data.Options()
    options.deterministic = False
    options.autotune.ram_budget = QUEUED
    return tf.data.TFRecordDataset(shards, num_parallel_reads=tf.data.AUTOTUNE).with_options(options)
