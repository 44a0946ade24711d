"""The application: API, page, and what surrounds them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from lightning_flowers import __version__
from lightning_flowers.export.checking import Answers
from lightning_flowers.serve import api
from lightning_flowers.serve.errors import documented
from lightning_flowers.serve.guard import Guard
from lightning_flowers.serve.service import Service
from lightning_flowers.serve.settings import Settings
from lightning_flowers.serve.val_pictures import ValPictures
from lightning_flowers.use.predictor import Predictor

PAGE = Path(__file__).parent / "page"
_ABOUT = "Names the flower on photographs. Nothing that is sent is stored or logged."


def build(
    predictor: Predictor,
    settings: Settings,
    val: ValPictures | None = None,
    backend: tuple[str, Answers] | None = None,
) -> FastAPI:
    """An application that answers with a predictor; `app.state.service` is what works in it."""
    service = Service(predictor, settings, val, backend)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # The usual pages about an API come from another host.
    app = FastAPI(
        title="lightning_flowers",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        exception_handlers={RequestValidationError: _misunderstood, ClientDisconnect: _left, Exception: _failed},
    )
    app.state.service = service
    app.include_router(api.health)
    if settings.key:
        app.include_router(api.router, dependencies=[Depends(api.check_key)], responses=documented(401))
    else:
        app.include_router(api.router)
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount("/page", StaticFiles(directory=PAGE), "page")
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(Guard, metrics=service.metrics)
    return app


async def _page() -> FileResponse:
    return FileResponse(PAGE / "index.html")


async def _misunderstood(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)


async def _left(_: Request, error: Any) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _failed(_: Request, error: Any) -> JSONResponse:
    return JSONResponse({"detail": "the server has failed; its log tells how"}, 500)
