"""The service on the network: connections bounded, slow ones closed, a stop that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gcsa.errors import InputError
from gcsa.serve.batching import Batcher

logger = logging.getLogger(__name__)

HEADERS = 16 << 10  # bytes of the headers of a request
# Seconds within which the headers of a request must be there, and a connection is kept that asks
# nothing.
HEADERS_WITHIN, IDLE = 10.0, 30
# Seconds, and bytes, that are read of one who is told no while he sends: a connection that is
# closed over unread bytes is reset, and the answer is lost with it.
LINGER, LINGER_BYTES = 2.0, 64 << 20
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@dataclass(frozen=True)
class Address:
    """Where to listen, how many connections are open at a time, and for how many seconds after a
    SIGTERM new requests are still told that the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    connections: int = 512
    grace: float = 0.5


class Lingering:
    """A transport whose close lets the other side read what was written: its own sending is read,
    and dropped, until it ends.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop):
        self._transport, self._loop = transport, loop
        self.closing, self._dropped = False, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """As of a transport."""
        return self.closing or bool(self._transport.is_closing())

    def close(self) -> None:
        """Close, once the other side has."""
        if self.is_closing():
            return
        self.closing = True
        self._transport.resume_reading()
        with contextlib.suppress(OSError, NotImplementedError):
            self._transport.write_eof()
        self._loop.call_later(LINGER, self._transport.close)

    def drop(self, data: bytes) -> None:
        """What came after the end."""
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self._transport.abort()


class Connection(H11Protocol):
    """uvicorn's, with bounds that it lacks."""

    limit = Address.connections
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Open, if there are not too many."""
        if len(self.connections) >= self.limit:
            transport.write(FULL)
            Lingering(transport, self.loop).close()
            transport.set_protocol(_Dropping())
            return
        super().connection_made(Lingering(transport, self.loop))  # type: ignore[arg-type]
        self._watched()

    def data_received(self, data: bytes) -> None:
        """What comes, unless the connection has ended for us."""
        if self.transport.is_closing():
            self.transport.drop(data)  # type: ignore[attr-defined]
            return
        super().data_received(data)
        self._watched()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _watched(self) -> None:
        """Between two requests, once something of the next came, the rest must come soon."""
        between = self.cycle is None or self.cycle.response_complete
        if not between and self._watch is not None:
            self._watch.cancel()
            self._watch = None
        elif between and self._watch is None:
            self._watch = self.loop.call_later(HEADERS_WITHIN, self._late)

    def _late(self) -> None:
        self._watch = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class _Dropping(asyncio.Protocol):
    """Of a connection that is one too many."""


class Server(uvicorn.Server):
    """uvicorn's, whose signals are handled by :func:`serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        """None."""
        yield


def listening(address: Address) -> socket.socket:
    """A socket at the address; InputError where there can be none."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server(
            (address.host, address.port), family=family, backlog=address.connections
        )
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--host {address.host} --port {address.port}: {reason}") from error


async def serve(app: Any, batcher: Batcher, address: Address, at: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C; then nobody is let in any more, and who is in is answered."""
    protocol = type("Connection", (Connection,), {"limit": address.connections})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,  # it would hold where people are
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE,
        h11_max_incomplete_event_size=HEADERS,
    )
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # each hostile request is a warning
    server, loop = Server(config), asyncio.get_running_loop()
    stops: list[asyncio.Task[None]] = []

    def stop() -> None:
        if stops:  # asked twice: at once
            server.force_exit = server.should_exit = True
        else:
            stops.append(loop.create_task(_stop(server, batcher, address.grace)))

    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        await server.serve([at])
        batcher.stop()
        await asyncio.to_thread(batcher.join)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _stop(server: Server, batcher: Batcher, grace: float) -> None:
    logger.info("stopping: %d requests are inside, no more are let in", batcher.inside)
    batcher.stop()
    await asyncio.sleep(grace)
    server.should_exit = True
