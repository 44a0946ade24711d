"""Pictures out of a request's body, which is bounded in bytes, time and files before anything is decoded.

All of it stays in memory, for as long as the request lasts; nothing is written to disk or to a log.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import NamedTuple

from fastapi import HTTPException, Request
from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from lightning_flowers.serve.capacity import Capacity
from lightning_flowers.serve.errors import CLOSE
from lightning_flowers.serve.schemas import Pictures
from lightning_flowers.serve.settings import Settings

_FIELD, _BLOCK = "file", 1 << 18
_LONGEST_NAME = 200
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would log bytes of what was sent


class Upload(NamedTuple):
    """A picture's file.

    Attributes:
        name: what to call it.
        content: its bytes.
    """

    name: str
    content: bytes


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 62


async def read_uploads(request: Request, settings: Settings, room: Capacity, held: ExitStack) -> list[Upload]:
    """The pictures of a request.

    Args:
        room: of bytes, of which the body takes some.
        held: gives them back.

    Raises:
        HTTPException: 408, 413, 415 or 422, with what is wrong in a line.
        FullError: there is no room.
    """
    kind = parse_options_header(request.headers.get("Content-Type", ""))[0]
    readers = {b"multipart/form-data": _of_form, b"application/json": _of_json}
    if kind not in readers:
        raise HTTPException(415, "send multipart/form-data with fields 'file', or application/json", CLOSE)
    body = _body(request, settings.max_bytes, room, held)
    try:
        async with asyncio.timeout(settings.body_seconds):
            uploads = await readers[kind](request, body, settings)
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not come in {settings.body_seconds:g} seconds", CLOSE) from error
    if not uploads:
        raise HTTPException(422, "no picture came along: send at least one")
    return uploads


async def _body(request: Request, most: int, room: Capacity, held: ExitStack) -> AsyncGenerator[bytes, None]:
    told = request.headers.get("Content-Length", "0")
    too_large = HTTPException(413, f"the body has more than {most} bytes", CLOSE)
    if told.isdecimal() and int(told) > most:
        raise too_large
    came = taken = 0
    async for piece in request.stream():
        came += len(piece)
        if came > most:
            raise too_large
        while taken < came:  # for what has come: who sends slowly takes no more than he sent
            held.enter_context(room.taken(_BLOCK))
            taken += _BLOCK
        yield piece


async def _of_form(request: Request, body: AsyncGenerator[bytes, None], settings: Settings) -> list[Upload]:
    try:
        form = await _InMemory(request.headers, body, max_files=settings.max_files, max_fields=1).parse()
    except (MultiPartException, FormParserError) as error:  # before starlette 1.10 some of the latter come through
        many = str(error).startswith("Too many files")
        status, why = (413, f"{error}") if many else (422, f"no multipart/form-data: {error}")
        raise HTTPException(status, _line(why), CLOSE) from error
    try:
        return [await _upload(field, file, number) for number, (field, file) in enumerate(form.multi_items())]
    finally:
        await form.close()


async def _upload(field: str, file: UploadFile | str, number: int) -> Upload:
    if field != _FIELD or not isinstance(file, UploadFile):
        raise HTTPException(422, f"the form has a field {_line(field)!r}: send files as fields '{_FIELD}' only")
    return Upload(_line(file.filename or f"picture {number}"), await file.read())


async def _of_json(request: Request, body: AsyncGenerator[bytes, None], settings: Settings) -> list[Upload]:
    content = b"".join([piece async for piece in body])
    try:
        given = Pictures.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise HTTPException(422, _line(f"{where}: {first['msg']}")) from error
    if len(given.pictures) > settings.max_files:
        raise HTTPException(413, f"Too many files. Maximum number of files is {settings.max_files}.")
    return [Upload(f"picture {number}", content) for number, content in enumerate(given.pictures)]


def _line(text: str) -> str:
    """Of what a client gave, what can be shown."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_NAME])
