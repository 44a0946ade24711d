"""TensorFlow reads our shards, we read TensorFlow's, and both see the same bytes and pixels.

TensorFlow lives in an environment of its own (make it with `uv venv --python 3.11 .venv-tf` and
`uv pip install --python .venv-tf/bin/python tensorflow-cpu`) and runs in a process of its own. To compare real shards
too, set LIGHTNING_FLOWERS_REAL_PETALS to a folder tfrecords-jpeg-SxS.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.folder import find_shards, open_split

REAL_PETALS = "LIGHTNING_FLOWERS_REAL_PETALS"
PYTHON = Path(__file__).parents[2] / ".venv-tf" / "bin" / "python"
PIXELS_OF = 48  # real pictures of each split whose pixels are compared
# TensorFlow decodes by libjpeg's fast, less exact transform unless told otherwise: measured apart by 11 at most and
# 1.04 in the mean on 3,320 real pictures of 224 px. Its exact transform gives our pixels, every bit.
LARGEST, MEAN = 12, 1.3

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs TensorFlow in .venv-tf (see the top of this file)")

SCRIPT = """
import hashlib, json, sys
import numpy as np
import tensorflow as tf

def feature(kind, value):
    lists = {"bytes_list": tf.train.BytesList, "int64_list": tf.train.Int64List}
    return tf.train.Feature(**{kind: lists[kind](value=[value])})

def write(path, size, records):
    random = np.random.default_rng(0)
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(records):
            coarse = random.integers(0, 256, (4, 4, 3), np.uint8)
            picture = tf.cast(tf.image.resize(coarse, (size, size), "bicubic", antialias=True), tf.uint8)
            if number % 4 == 3:
                image = tf.io.encode_png(picture)
            else:
                image = tf.io.encode_jpeg(picture, quality=95, chroma_downsampling=number % 2 == 0)
            features = {
                "image": feature("bytes_list", image.numpy()),
                "class": feature("int64_list", number % 4),
                "id": feature("bytes_list", f"tf{number}".encode()),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())

def read(shards, labelled, step, out):
    wanted = {"image": tf.io.FixedLenFeature([], tf.string), "id": tf.io.FixedLenFeature([], tf.string)}
    if labelled:
        wanted["class"] = tf.io.FixedLenFeature([], tf.int64)
    rows, exact, default = [], [], []
    for number, raw in enumerate(tf.data.TFRecordDataset(shards)):
        record = tf.io.parse_single_example(raw, wanted)
        image = record["image"].numpy()
        label = int(record["class"]) if labelled else -1
        rows.append([record["id"].numpy().decode(), label, hashlib.sha256(image).hexdigest()])
        if number % step == 0:
            default.append(tf.io.decode_image(image, channels=3).numpy())
            if image.startswith(b"\\x89PNG"):
                exact.append(default[-1])
            else:
                exact.append(tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE").numpy())
    np.savez(out, exact=np.stack(exact), default=np.stack(default))
    return rows

jobs = json.loads(sys.argv[1])
for job in jobs["write"]:
    write(*job)
print(json.dumps({"version": tf.__version__, "read": [read(*job) for job in jobs["read"]]}))
"""


class Seen(NamedTuple):
    """What a reader sees of a split: (id, label, SHA-256 of the image) of each record, and some pictures' pixels.

    `default` is how the reader decodes unless told otherwise.
    """

    rows: list[tuple[str, int, str]]
    pixels: NDArray[np.uint8]
    default: NDArray[np.uint8]


class Job(NamedTuple):
    """A split to read, the pixels of every `step`-th record too."""

    folder: Path
    size: int
    classes: int
    labelled: bool
    step: int = 1

    def ours(self) -> Seen:
        split = open_split(self.folder, self.size, self.classes, self.labelled)
        images = [split.image_bytes(position) for position in range(len(split))]
        digests = [hashlib.sha256(image).hexdigest() for image in images]
        pixels = np.empty((len(images[:: self.step]), self.size, self.size, 3), np.uint8)
        for image, out in zip(images[:: self.step], pixels, strict=True):
            assert not decode_into(image, out)
        return Seen(list(zip(split.ids.tolist(), split.labels.tolist(), digests, strict=True)), pixels, pixels)


def run_tensorflow(work: Path, jobs: list[Job], write: list[tuple[str, int, int]] | None = None) -> list[Seen]:
    """Let TensorFlow write shards (path, size, records), then read splits."""
    reads: list[Any] = []
    for number, job in enumerate(jobs):
        # Shards that TensorFlow is still to write are not there to be found yet.
        shards = [path for path, _, _ in write or [] if Path(path).parent == job.folder]
        shards = shards or [str(path) for path in find_shards(job.folder, job.size)]
        reads.append([shards, job.labelled, job.step, str(work / f"{number}.npz")])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [str(PYTHON), "-c", SCRIPT, json.dumps({"write": write or [], "read": reads})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    rows = [[(identity, label, digest) for identity, label, digest in rows] for rows in answer["read"]]
    pixels = [np.load(job[3]) for job in reads]
    return [Seen(row, found["exact"], found["default"]) for row, found in zip(rows, pixels, strict=True)]


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[int, float]:
    """Largest and mean difference of two sets of pictures."""
    apart = [np.abs(one.astype(np.int16) - other) for one, other in zip(a, b, strict=True)]
    return max(int(each.max()) for each in apart), float(np.mean([each.mean() for each in apart]))


class Exchange(NamedTuple):
    """The splits that went to and fro, as both sides see them."""

    ours: dict[str, Seen]
    theirs: dict[str, Seen]


@pytest.fixture(scope="module")
def exchange(petals_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    """One run of TensorFlow: it reads what we wrote, and writes what we read."""
    work = tmp_path_factory.mktemp("tensorflow")
    shards = petals_root / "tfrecords-jpeg-32x32"
    (work / "written").mkdir()
    jobs = {
        "train": Job(shards / "train", 32, 4, labelled=True),
        "test": Job(shards / "test", 32, 4, labelled=False),
        "tensorflow's": Job(work / "written", 32, 4, labelled=True),
    }
    written = [
        (str(work / "written" / f"{number:02d}-32x32-{count}.tfrec"), 32, count) for number, count in enumerate([8, 5])
    ]
    theirs = dict(zip(jobs, run_tensorflow(work, [*jobs.values()], written), strict=True))
    return Exchange({name: job.ours() for name, job in jobs.items()}, theirs)


@pytest.mark.parametrize(("name", "records"), [("train", 40), ("test", 9)])
def test_tensorflow_reads_what_we_write(exchange: Exchange, name: str, records: int) -> None:
    assert len(exchange.theirs[name].rows) == records
    assert exchange.theirs[name].rows == exchange.ours[name].rows


def test_we_read_what_tensorflow_writes(exchange: Exchange) -> None:
    ours = exchange.ours["tensorflow's"]
    assert [(identity, label) for identity, label, _ in ours.rows] == [
        (f"tf{number}", number % 4) for count in (8, 5) for number in range(count)
    ]
    assert ours.rows == exchange.theirs["tensorflow's"].rows


def test_both_decode_the_same_pixels(exchange: Exchange) -> None:
    for name, ours in exchange.ours.items():
        np.testing.assert_array_equal(ours.pixels, exchange.theirs[name].pixels)


def test_tensorflow_s_default_decoding_is_nearly_the_same(exchange: Exchange) -> None:
    for name, ours in exchange.ours.items():
        largest, mean = difference(ours.default, exchange.theirs[name].default)
        assert largest <= LARGEST, name
        assert mean <= MEAN, name


@pytest.mark.skipif(not os.environ.get(REAL_PETALS), reason=f"{REAL_PETALS} names no folder of real shards")
def test_real_shards_are_read_and_decoded_as_tensorflow_does(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folder = Path(os.environ[REAL_PETALS])
    size = int(folder.name.rpartition("x")[2])
    names = [name for name in ("train", "val", "test") if (folder / name).is_dir()]
    jobs = []
    for name in names:
        records = sum(int(re.split(r"[-.]", path.name)[2]) for path in find_shards(folder / name, size))
        jobs.append(Job(folder / name, size, 104, labelled=name != "test", step=max(1, records // PIXELS_OF)))
    for name, job, theirs in zip(names, jobs, run_tensorflow(tmp_path, jobs), strict=True):
        ours = job.ours()
        assert ours.rows == theirs.rows
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        largest, mean = difference(ours.default, theirs.default)
        record_property(name, f"{len(ours.rows)} records; pixels apart by {largest} at most, {mean:.4f} in the mean")
        print(f"{name}: {len(ours.rows)} records, {len(ours.pixels)} decoded: apart {largest} at most, {mean:.4f} mean")
        assert largest <= LARGEST
        assert mean <= MEAN
