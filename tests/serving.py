"""A little service to ask, and ways of asking it: in its own process, or over a socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from conftest import overrides
from located import street

from gcsa.config import load_config
from gcsa.serve.app import Service, app_of
from gcsa.serve.command import Bounds, service
from gcsa.serve.guard import LOOPBACK, Guard
from gcsa.serve.page import page
from gcsa.serve.server import Address, listening, server_of

TOKEN = "a-token-of-some-length"


def street_service(root, bounds=None, **more) -> tuple[object, Service]:
    """The settings of tests/located.py's street, and the service of it."""
    config = load_config(None, overrides(street(root), more))
    return config, service(config, "val", None, bounds or Bounds())


def ended(made: Service) -> None:
    """No thread of the service is left."""
    made.batcher.stop()
    made.batcher.join()
    made.pool.shutdown()


def guarded(made: Service, token: str | None = None) -> Guard:
    return Guard(app_of(made, page()), LOOPBACK, token, lambda: made.batcher.stopping)


def ask(made: Service, *requests: dict, token: str | None = None) -> list[httpx.Response]:
    """The answers to requests that are sent together; keywords of httpx's ``request``."""

    async def together() -> list[httpx.Response]:
        # What goes wrong inside is an answer, too, as over a socket.
        transport = httpx.ASGITransport(guarded(made, token), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await asyncio.gather(
                *(client.request(**{"method": "POST", "url": "/locate", **r}) for r in requests)
            )

    return asyncio.run(together())


@contextmanager
def running(made: Service, token: str | None = None, **address) -> Iterator[str]:
    """The service at a port of this machine; yields its URL."""
    where = Address(port=0, **address)
    with listening(where) as at:
        server = server_of(guarded(made, token), where)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([at])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{at.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def fields(scene, row: int) -> dict:
    """What a request says to ask what a query of a scene is, radio excepted."""
    queries = scene.queries
    asked = {"descriptor": np.asarray(queries.descriptors[row], dtype=float).tolist()}
    if queries.headings is not None and np.isfinite(queries.headings[row]):
        asked["heading"] = float(np.rad2deg(queries.headings[row])) % 360
    if queries.positions is not None and np.isfinite(queries.positions[row]).all():
        asked["x"], asked["y"] = map(float, queries.positions[row])
        if queries.accuracy is not None and np.isfinite(queries.accuracy[row]):
            asked["accuracy"] = float(queries.accuracy[row])
    return asked


def same(found, feature):
    """Whether an answer is that of gcsa locate, to its rounding."""
    about = feature["properties"]
    assert [i["name"] for i in found["best"]] == [i["name"] for i in about["best"]]
    for key in ("radius_m", "confidence", "none"):
        assert found[key] == pytest.approx(about[key], abs=2e-2 if key == "radius_m" else 2e-4)
    for key, value in found["position"].items():
        assert value == pytest.approx(about[key], abs=2e-2 if key in "xy" else 2e-7)
    probability = [i["probability"] for i in about["best"]]
    assert [i["probability"] for i in found["best"]] == pytest.approx(probability, abs=2e-4)
    assert found["geojson"]["geometry"]["coordinates"] == pytest.approx(
        feature["geometry"]["coordinates"], abs=2e-7
    )
