"""The API: pictures in, guesses out, and what there is to know of the model and the server."""

import hmac
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from lightning_flowers.serve import schemas
from lightning_flowers.serve.capacity import FullError, while_connected
from lightning_flowers.serve.errors import busy, code_of, documented
from lightning_flowers.serve.service import Service
from lightning_flowers.serve.uploads import read_uploads

_JPEG: Any = {200: {"content": {"image/jpeg": {}}}}
_bearer = HTTPBearer(auto_error=False, description="the key that the server was started with")

router = APIRouter()
health = APIRouter(tags=["server"])


async def _service(request: Request) -> Service:
    return request.app.state.service


Served = Annotated[Service, Depends(_service)]


async def check_key(service: Served, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """Refuse who does not show the server's key: of a server that has one, what `router` is guarded by."""
    key, shown = service.settings.key, given.credentials if given else ""
    assert key
    if not hmac.compare_digest(shown.encode(), key.encode()):
        raise HTTPException(401, "show the server's key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})


@router.post(
    "/v1/predict",
    tags=["pictures"],
    responses=documented(408, 413, 415, 422, 500, 503),
    openapi_extra=schemas.request_body(),
)
async def predict(
    service: Served,
    request: Request,
    asked: Annotated[schemas.Asked, Query()],
) -> schemas.Answers:
    """Name the flower on one or several pictures: JPEG, PNG, WebP, AVIF, TIFF, BMP, GIF of one frame.

    Of several pictures, those that cannot be used have an `error`; where none can, the request fails as a whole.
    """
    if service.pictures.full:
        raise busy()
    with ExitStack() as held:
        try:
            uploads = await read_uploads(request, service.settings, service.bytes, held)
            held.enter_context(service.pictures.taken(len(uploads)))
        except FullError as error:
            raise busy() from error
        answers, wrong = await while_connected(
            request, service.answer_all(uploads, asked.top, asked.heat_map, asked.neighbours)
        )
    if len(wrong) == len(uploads):
        raise HTTPException(code_of(wrong[0]), f"{answers.answers[0].picture}: {wrong[0]}")
    return answers


@router.get("/v1/classes", tags=["model"])
async def classes(service: Served) -> schemas.Classes:
    """What the model knows to tell apart."""
    return schemas.Classes(classes=list(service.predictor.classes))


@router.get("/v1/model", tags=["model"])
async def model(service: Served) -> schemas.Model:
    """What answers, how sure it has to be, and what a request may hold."""
    return service.about()


@router.get("/v1/examples", tags=["pictures"])
async def examples(service: Served) -> schemas.Examples:
    """Photographs of the run's val split, to try."""
    val = service.val
    return schemas.Examples(
        examples=[schemas.Example(number=number, name=val.name_of(number)) for number in val.examples] if val else []
    )


@router.get("/v1/val/{number}", tags=["pictures"], response_class=Response, responses=_JPEG | documented(404, 422, 503))
async def val_picture(service: Served, number: int) -> Response:
    """A photograph of the run's val split, a JPEG: an example, or any where neighbours are shown."""
    try:
        with service.pictures.taken():
            jpeg = await service.jpeg_of(number)
    except FullError as error:
        raise busy() from error
    if jpeg is None:
        raise HTTPException(404, "no val picture of this number is shown")
    return Response(jpeg, media_type="image/jpeg")


@router.get("/metrics", tags=["server"], response_class=Response)
async def metrics(service: Served) -> Response:
    """For Prometheus."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@health.get("/healthz")
async def healthz() -> schemas.State:
    """Whether the server lives."""
    return schemas.State(status="ok")


@health.get("/readyz", responses=documented(503))
async def readyz(service: Served) -> schemas.State:
    """Whether it takes requests: the model is there, and there is room in the queue."""
    if not service.ready or service.pictures.full:
        raise busy()
    return schemas.State(status="ready")
