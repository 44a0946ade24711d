"""What a client is told, as HTTP."""

from typing import Any

from fastapi import HTTPException

from lightning_flowers.data.photograph import PictureError, TooLargeError, UnsupportedError
from lightning_flowers.serve.schemas import Failure

CLOSE = {"Connection": "close"}  # of a body that is not read to its end
RETRY = {"Retry-After": "1"}
_TOLD = {
    401: "The key is missing or wrong.",
    404: "There is none of this number.",
    408: "The body did not come in time.",
    413: "The body or a picture is too large, or there are too many pictures.",
    415: "The body is neither multipart/form-data nor application/json, or a picture's format is not read.",
    422: "A picture cannot be decoded, or the request cannot be understood.",
    500: "The server's own fault.",
    503: "Too much to do: come again after as many seconds as Retry-After says.",
}


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: answers that are failures."""
    return {code: {"model": Failure, "description": _TOLD[code]} for code in codes}


def busy() -> HTTPException:
    """Too much is under way."""
    return HTTPException(503, "too much to do at the moment: come again in a second", RETRY)


def code_of(error: PictureError) -> int:
    """The HTTP status that fits what is wrong with a picture."""
    return 413 if isinstance(error, TooLargeError) else 415 if isinstance(error, UnsupportedError) else 422
