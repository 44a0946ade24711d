"""What a server allows."""

from dataclasses import dataclass
from typing import Literal

Backend = Literal["auto", "openvino", "torch"]


@dataclass(frozen=True)
class Settings:
    """Limits, and who may come.

    Attributes:
        max_batch: pictures that the model sees at once, at most; None takes 8 on a CPU, and 32 elsewhere.
        queue: pictures that may wait or be worked on; who sends more is told to come again.
        max_files: pictures of a request.
        max_bytes: of a request's body.
        max_pixels: that a picture may claim.
        bytes_in_memory: of all requests' bodies together.
        body_seconds: in which a body has to come whole.
        header_seconds: in which a request's head has to come whole.
        grace_seconds: that what is under way has to come to its end, once the server is asked to stop.
        key: that a client has to show; None asks for none.
        origins: of other sites' pages that may call.
    """

    max_batch: int | None = None
    queue: int = 128
    max_files: int = 16
    max_bytes: int = 16 << 20
    max_pixels: int = 64_000_000
    bytes_in_memory: int = 512 << 20
    body_seconds: float = 30.0
    header_seconds: float = 10.0
    grace_seconds: float = 30.0
    key: str | None = None
    origins: tuple[str, ...] = ()
