"""Who may ask: the Host, the Origin and the token of every request, before anything else."""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from gcsa.errors import InputError

logger = logging.getLogger(__name__)

App = Callable[[MutableMapping[str, Any], Callable, Callable], Awaitable[None]]
OPEN = ("/", "/health")  # what no token is asked for: the page without data, and whether it is up
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LEAST_TOKEN = 16  # characters
MOST = 16 << 10  # bytes of all headers of a request
CLOSE = (b"connection", b"close")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Guard:
    """An application that answers only who may ask, and says nothing of what went wrong inside.

    hosts: names by which it is called. token: what "Authorization: Bearer" must hold; None for
    nothing. stopping: whether the connection of an answer is its last, which must be said with it:
    who sends another request meanwhile would lose it.
    """

    def __init__(
        self,
        app: App,
        hosts: Collection[str],
        token: str | None,
        stopping: Callable[[], bool] = lambda: False,
    ):
        self._app, self._hosts, self._token = app, frozenset(hosts), token
        self._stopping = stopping

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # lifespan; there are no web sockets
            await self._app(scope, receive, send)
            return
        begun = False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = [*message.get("headers", ()), *HEADERS]
                if self._stopping() and CLOSE not in headers:
                    headers.append(CLOSE)
                message["headers"] = headers
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await answer(sent, *refused)
            return
        try:
            await self._app(scope, receive, sent)
        except Exception:
            logger.exception("%s %s", scope["method"], scope["path"])
            if not begun:
                await answer(sent, 500, "internal error")

    def _refused(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        """Status and reason where a request is not answered."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST:
            return 431, f"headers: at most {MOST} bytes are taken"
        found: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            found.setdefault(name, []).append(value)
        if b"content-length" in found and b"transfer-encoding" in found:
            return 400, "Content-Length and Transfer-Encoding: only one of them"
        hosts = [value.decode("latin-1") for value in found.get(b"host", [])]
        if len(hosts) != 1 or name_of(hosts[0]) not in self._hosts:
            return 421, "Host: expected a name that this server is called by (--allow_host)"
        origins = [value.decode("latin-1") for value in found.get(b"origin", [])]
        if any(origin.partition("://")[2].lower() != hosts[0].lower() for origin in origins):
            return 403, "Origin: other pages are not answered"
        if self._token is None or scope["path"] in OPEN:
            return None
        given = found.get(b"authorization", [b""])[0]
        if not hmac.compare_digest(given, b"Bearer " + self._token.encode()):
            return 401, "Authorization: expected Bearer and the token"
        return None


async def answer(send: Any, status: int, reason: str) -> None:
    """Send a reason as JSON."""
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers.append(CLOSE)  # what else he sends is not read
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def name_of(host: str) -> str:
    """The name in a Host header, without its port and the brackets of an address."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(address: str) -> bool:
    """Whether an address to listen at is reached from this machine alone."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def hosts_of(address: str, allowed: Collection[str]) -> set[str]:
    """Names by which a server at ``address`` may be called; InputError where nobody says any."""
    own = {*LOOPBACK, address} if is_loopback(address) else {address}
    if address in ("0.0.0.0", "::") and not allowed:
        raise InputError(
            f"--host {address}: expected --allow_host NAME too, the name that clients call it by"
        )
    return {name.lower() for name in (*own, *allowed)} - {"0.0.0.0", "::"}


def checked_token(address: str, token: str | None) -> str | None:
    """The token; InputError where one is needed and lacks, or it is none."""
    if token is None and not is_loopback(address):
        raise InputError(
            f"--host {address}: others reach it; expected a token, of --token_file or in GCSA_TOKEN"
        )
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or " " in token):
        raise InputError(f"token: expected {LEAST_TOKEN} or more ASCII characters without spaces")
    return token
