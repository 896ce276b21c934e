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
from gcsa.serve.guard import MOST

logger = logging.getLogger(__name__)

# Seconds within which the headers of a request must be there, and a connection is kept that asks
# nothing.
HEADERS_WITHIN, IDLE = 10.0, 30
# Seconds, and bytes, that are read of one who is told no while he sends: a connection that is
# closed over unread bytes is reset, and the answer is lost with it.
LINGER, LINGER_BYTES = 2.0, 64 << 20
ROUNDS = 15  # times LINGER, for who reads slowly
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@dataclass(frozen=True)
class Address:
    """Where to listen, and how many connections are open at a time. grace: seconds for which, when
    the server stops, new connections are still taken, and then for which the open ones may ask.
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
        return True if self.closing else self._transport.is_closing()

    def close(self) -> None:
        """Close, once the other side has."""
        if self.is_closing():
            return
        self.closing = True
        self._transport.resume_reading()
        with contextlib.suppress(OSError, NotImplementedError):
            self._transport.write_eof()
        self._loop.call_later(LINGER, self._end, ROUNDS)

    def _end(self, rounds: int) -> None:
        """Close for good; who still reads the answer is given time, but not for ever."""
        if rounds and self._transport.get_write_buffer_size():
            self._loop.call_later(LINGER, self._end, rounds - 1)
        else:
            self._transport.abort()

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
        between = self._between()
        if not between and self._watch is not None:
            self._watch.cancel()
            self._watch = None
        elif between and self._watch is None:
            self._watch = self.loop.call_later(HEADERS_WITHIN, self._late)

    def _between(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _late(self) -> None:
        self._watch = None
        if self._between():
            self.transport.close()


class _Dropping(asyncio.Protocol):
    """Of a connection that is one too many."""


class Server(uvicorn.Server):
    """uvicorn's, whose signals are handled by :func:`serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


def listening(address: Address) -> socket.socket:
    """A socket at the address; InputError where there can be none."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        at = socket.create_server(
            (address.host, address.port), family=family, backlog=address.connections
        )
        # Head and body are written one after the other: the body would wait for the head's receipt.
        at.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return at
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--host {address.host} --port {address.port}: {reason}") from error


def server_of(app: Any, address: Address) -> Server:
    """A server of an application; its ``serve`` takes the socket that it listens at."""
    config = uvicorn.Config(
        app,
        http=type("Connection", (Connection,), {"limit": address.connections}),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,  # it would hold where people are
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE,
        h11_max_incomplete_event_size=MOST,
    )
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # each hostile request is a warning
    return Server(config)


async def serve(app: Any, batcher: Batcher, address: Address, at: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C; then nobody is let in any more, and who is in is answered."""
    server, loop = server_of(app, address), asyncio.get_running_loop()
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
        if not server.force_exit:
            await asyncio.to_thread(batcher.join)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _stop(server: Server, batcher: Batcher, grace: float) -> None:
    """Tell all who ask that the server stops; then take no connection; then close the open ones.

    Who connected before the port closed has time to ask, and is told: a connection that is closed
    over a request would lose it.
    """
    logger.info("stopping: %d requests are inside, no more are let in", batcher.inside)
    batcher.stop()
    await asyncio.sleep(grace)
    for listener in server.servers:
        listener.close()
    await asyncio.sleep(grace)
    server.should_exit = True
