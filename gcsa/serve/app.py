"""The addresses of the service: a question in, its answer out; no more of the web than that."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from gcsa.errors import InputError
from gcsa.serve import metrics as counted
from gcsa.serve.answering import Answering
from gcsa.serve.batching import Batcher, BusyError, StoppingError
from gcsa.serve.bodies import UnknownKindError, sent
from gcsa.serve.metrics import Metrics
from gcsa.serve.page import Page
from gcsa.serve.thumbnails import Thumbnails

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """bytes: of a body, at most. start: seconds until it must begin to come; rate: bytes a second
    that it must come at in the mean.
    """

    bytes: int = 20_000_000
    start: float = 10.0
    rate: float = 32_768.0


class Service:
    """What the addresses share, and a method for each of them."""

    def __init__(
        self,
        answering: Answering,
        batcher: Batcher,
        metrics: Metrics,
        patience: Patience,
        thumbnails: Thumbnails,
        readers: int = 2,
    ):
        self.answering, self.batcher, self.metrics = answering, batcher, metrics
        self.patience, self.thumbnails = patience, thumbnails
        self.pool = ThreadPoolExecutor(readers, "read")
        metrics.gauges |= {
            "inside": ("requests that hold a place", lambda: batcher.inside),
            "waiting": ("questions that wait for their turn", lambda: batcher.waiting),
            "places": ("requests that may be inside", lambda: batcher.pace.places),
        }

    async def locate(self, request: Request) -> Response:
        """A question in, its answer out."""
        began, status = time.monotonic(), 500
        try:
            found = await self._located(request)
            status = 200
            return JSONResponse(found)
        except ClientDisconnect:
            status = 499  # as nginx has it; nobody reads it
            return Response(status_code=400)
        except Exception as error:
            refused = _refused(error)
            status = 500 if refused is None else refused.status_code
            if refused is None:
                raise
            raise refused from error
        finally:
            self.metrics.answered(status, time.monotonic() - began)

    async def _located(self, request: Request) -> dict[str, Any]:
        with self.batcher.place():
            body = await body_of(request, self.patience)
            kind = request.headers.get("content-type", "")
            question = await self._away(lambda: self.answering.read(sent(kind, body)))
            found: dict[str, Any] = await asyncio.wrap_future(self.batcher.ask(question))
            return found

    async def _away(self, work: Callable[[], Any]) -> Any:
        """Work of a thread beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    async def scenes(self) -> Response:
        """What can be asked."""
        known = [prepared.scene for prepared in self.answering.scenes.values()]
        about = [{"name": scene.name, "images": len(scene.database)} for scene in known]
        photos = self.answering.describer is not None
        return JSONResponse({"scenes": about, "photos": photos, "bytes": self.patience.bytes})

    async def scene(self, name: str) -> Response:
        """What the map draws below all answers."""
        return JSONResponse(_known(self.answering.grounds, name))

    async def thumbnail(self, scene: str, image: str) -> Response:
        """A small picture of a database's image."""
        _known(self.answering.scenes, scene)
        found = await self._away(lambda: self.thumbnails.jpeg(scene, image))
        if found is None:
            raise HTTPException(404, "no such image, or it cannot be read")
        return Response(found, media_type="image/jpeg")

    async def health(self) -> Response:
        """Whether requests are let in."""
        if self.batcher.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ready"})

    async def counts(self) -> Response:
        """What was done, for Prometheus."""
        return PlainTextResponse(self.metrics.text(), headers={"Content-Type": counted.KIND})


def app_of(service: Service, page: Page) -> FastAPI:
    """The application; of FastAPI's own pages, which load scripts from elsewhere, none."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def index() -> Response:
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy})

    async def refused(request: Request, error: Any) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    async def wrong(request: Request, error: Any) -> Response:
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 400)

    async def failed(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": "internal error"}, 500)

    app.add_api_route("/locate", service.locate, methods=["POST"])
    pages: dict[str, Callable[..., Any]] = {
        "/": index,
        "/scenes": service.scenes,
        "/scenes/{name}": service.scene,
        "/thumbnail": service.thumbnail,
        "/health": service.health,
        "/metrics": service.counts,
    }
    for path, endpoint in pages.items():
        app.add_api_route(path, endpoint, methods=["GET"])
    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(RequestValidationError, wrong)
    app.add_exception_handler(Exception, failed)  # the guard writes it down
    return app


def _refused(error: Exception) -> HTTPException | None:
    """What is said of an error; None where it is the service's own."""
    if isinstance(error, HTTPException):
        return error
    if isinstance(error, BusyError):
        return HTTPException(429, "all places are taken", {"Retry-After": str(error.seconds)})
    # What is still on its way is not read.
    close = {"Connection": "close"}
    if isinstance(error, StoppingError):
        return HTTPException(503, "the server stops", {"Retry-After": "5", **close})
    if isinstance(error, asyncio.TimeoutError):
        return HTTPException(408, "the body comes too slowly", close)
    for kind, status in {TooLargeError: 413, UnknownKindError: 415}.items():
        if isinstance(error, kind):
            return HTTPException(status, str(error), close)
    return HTTPException(400, str(error)) if isinstance(error, InputError) else None


def _known(table: Any, name: str) -> Any:
    if name not in table:
        raise HTTPException(404, "there is no scene of that name")
    return table[name]


class TooLargeError(InputError):
    """A body above the limit."""


async def body_of(request: Request, patience: Patience) -> bytes:
    """The body, counted as it comes. TooLargeError; TimeoutError where it comes too slowly."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnknownKindError("Content-Encoding: packed bodies are not taken")
    most = patience.bytes
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most:
        raise TooLargeError(f"body: {declared[:20]} bytes, at most {most} are taken")
    body, began, stream = bytearray(), time.monotonic(), request.stream()
    while True:
        left = patience.start + len(body) / patience.rate - (time.monotonic() - began)
        try:
            body += await asyncio.wait_for(anext(stream), max(left, 0))
        except StopAsyncIteration:
            return bytes(body)
        if len(body) > most:
            raise TooLargeError(f"body: more than the {most} bytes that are taken")
