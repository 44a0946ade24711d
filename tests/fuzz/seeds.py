"""What fuzzing starts from: whole shards, Examples and pictures, as small as they can be."""

import cv2
import numpy as np
import simplejpeg
from oracle import frame
from tfrecord import example_pb2

RECORDS = 3  # in each shard

_PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
_SMALL = np.ascontiguousarray(_PICTURE[:9, :17])


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def _example(image: bytes, label: int, identity: str | None) -> bytes:
    example = example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    feature = example.features.feature
    feature["image"].bytes_list.value.append(image)
    feature["class"].int64_list.value.append(label)
    if identity is not None:
        feature["id"].bytes_list.value.append(identity.encode())
    return example.SerializeToString(deterministic=True)


def _two_of(name: str) -> bytes:
    example = example_pb2.Example.FromString(_example(b"picture", 3, "rose"))  # pyright: ignore[reportAttributeAccessIssue]
    feature = example.features.feature[name]
    values = feature.int64_list.value if name == "class" else feature.bytes_list.value
    values.append(values[0])
    return example.SerializeToString(deterministic=True)


def _all_kinds() -> bytes:
    example = example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    feature = example.features.feature
    feature["floats"].float_list.value.extend([0.5, -1])
    feature["class"].int64_list.value.extend([-1, 2**40])
    feature["none"].SetInParent()
    return example.SerializeToString(deterministic=True)


_EXAMPLES = [_example(b"picture", 3, "rose"), _example(b"", 103, None), _example(b"\xff\xd8", 0, "\u00e9")]
_SHARD = b"".join(map(frame, _EXAMPLES))
_TWICE = b"".join(frame(_two_of(name)) for name in ("image", "class", "id"))
SEEDS = {
    "shard": [_SHARD, _TWICE],
    "example": [*_EXAMPLES, _all_kinds(), *map(_two_of, ("image", "class", "id"))],
    "picture": [
        *(simplejpeg.encode_jpeg(_PICTURE, 60, "RGB", sampling) for sampling in ("444", "420", "422")),
        simplejpeg.encode_jpeg(np.ascontiguousarray(_PICTURE[:, :, :1]), 60, "GRAY", "Gray"),
        simplejpeg.encode_jpeg(_SMALL, 60, "RGB", "420"),
        cv2.imencode(".jpg", _PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        _png(_PICTURE),
        _png(_SMALL),
        _png(_PICTURE[:, :, 0]),
        _png(np.dstack([_PICTURE, _PICTURE[:, :, 0]])),
        _png(_PICTURE.astype(np.uint16) * 257),
    ],
}
