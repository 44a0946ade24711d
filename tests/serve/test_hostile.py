"""Bodies that are made to take a parser's time are refused in little of it."""

import time

import pytest
from fastapi.testclient import TestClient

from lightning_flowers.serve.app import build
from lightning_flowers.serve.settings import Settings

from .conftest import Colours

SIZE = 1 << 20
FORM, JSON = "multipart/form-data; boundary=b", "application/json"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
DISPOSITION = b"--b\r\nContent-Disposition: form-data"


def filled(start, repeated, end=b""):
    return start + repeated * ((SIZE - len(start) - len(end)) // len(repeated)) + end


@pytest.fixture(scope="module")
def asking():
    with TestClient(build(Colours(), Settings(max_bytes=SIZE))) as client:
        yield client


# Starlette leaves the file of a part that has no end to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, filled(b"", b"x"), 422),
        (FORM, filled(b"", b"\r\n--"), 422),
        (FORM, filled(PART, b"\r\n"), 422),
        (FORM, filled(PART, b"\r\n--a"), 422),
        (FORM, filled(b"", PART + b"\r\n"), 413),
        (FORM, filled(b"", DISPOSITION + b'; name="x"\r\n\r\n\r\n'), 422),
        (FORM, filled(b"--b\r\n", b"a:b\r\n"), 422),
        (FORM, filled(DISPOSITION, b"; a=b", b"\r\n\r\nz\r\n--b--\r\n"), 422),
        (FORM, filled(DISPOSITION + b'; filename="', b'\\"', b'"\r\n\r\nz\r\n--b--\r\n'), 422),
        (FORM, filled(PART + b"zz\r\n--b--\r\n", b"\r\n"), 415),
        (JSON, filled(b'{"pictures":[', b"1,", b"1]}"), 422),
        (JSON, filled(b'{"pictures":[', b'"",', b'""]}'), 422),
        (JSON, filled(b'{"pictures":', b"["), 422),
        (JSON, b'{"a":1' + b"".join(b',"%d":1' % number for number in range(80_000)) + b"}", 422),
    ],
)
def test_a_hostile_body_is_refused_in_little_time(asking, kind, body, status):
    began = time.process_time()
    found = asking.post("/v1/predict", content=body, headers={"Content-Type": kind})
    assert time.process_time() - began < 1
    assert found.status_code == status
    assert len(found.json()["detail"]) < 300
