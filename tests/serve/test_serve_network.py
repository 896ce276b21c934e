"""gcsa serve over sockets: bounds that hold, and a stop that loses nothing."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter

import httpx
import pytest
from conftest import overrides
from located import street as street_world
from serving import TOKEN, ask, ended, fields, guarded, running, street_service

from gcsa.errors import InputError
from gcsa.locate.answers import locate
from gcsa.serve import server
from gcsa.serve.app import Patience
from gcsa.serve.batching import Batcher, Pace
from gcsa.serve.command import Bounds
from gcsa.serve.server import Address, listening, serve


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """(a service of the street, the body of a request)."""
    config, made = street_service(tmp_path_factory.mktemp("street"))
    yield made, json.dumps(fields(locate(config)[0].scene, 0)).encode()
    ended(made)


def request(body, head=b"POST /locate", **headers):
    """The bytes of a request."""
    named = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(body)}
    lines = [
        f"{name}: {value}" for name, value in {**named, **headers}.items() if value is not None
    ]
    return head + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def spoken(url, data):
    """All that a connection answers to some bytes; it closes then, or is closed."""
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_requests_over_a_socket(street):
    made, body = street
    with running(made) as url:
        answer = spoken(url, request(body, Connection="close"))
        assert answer.startswith(b"HTTP/1.1 200") and b'"radius_m"' in answer
        assert httpx.get(f"{url}/health").json() == {"status": "ready"}
        shown = httpx.get(url)
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert "http" not in shown.text.replace("http-equiv", "")  # nothing from elsewhere
        both = request(body) + request(body, Connection="close")  # one behind the other
        assert spoken(url, both).count(b"HTTP/1.1 200") == 2


def test_bytes_that_are_no_request(street):
    made, body = street
    with running(made) as url:
        long = request(body, Connection="close", Cookie="c" * 40_000)
        many = request(body, **{"Connection": "close"} | {f"X-{n}": "x" * 50 for n in range(1000)})
        for data in (b"\x16\x03\x01\x02\x00" * 40, b"GET / HTTP/x\r\n\r\n"):
            assert spoken(url, data).startswith(b"HTTP/1.1 400")
        for data in (long, many):  # 400 where it comes in pieces
            assert spoken(url, data)[9:12] in (b"400", b"431")
        twice = request(body, Host="localhost\r\nHost: evil.example", Connection="close")
        assert spoken(url, twice)[9:12] in (b"400", b"421")
        without = request(body, Host=None, Connection="close")
        assert spoken(url, without)[9:12] in (b"400", b"421")
        smuggled = request(body, **{"Transfer-Encoding": "chunked", "Connection": "close"})
        assert spoken(url, smuggled)[9:12] == b"400"
        assert httpx.get(f"{url}/health").status_code == 200


def test_who_is_told_no_while_he_sends_hears_it(street, monkeypatch):
    made, _ = street
    monkeypatch.setattr(made, "patience", Patience(bytes=1000))
    with running(made) as url:
        big = spoken(url, request(b"a" * 3_000_000))
        assert big.startswith(b"HTTP/1.1 413") and b"at most 1000 are taken" in big
        with httpx.Client() as client:
            for _ in range(2):
                answer = client.post(f"{url}/locate", content=iter([b"a" * 900] * 4000))
                assert answer.status_code == 413


def test_slow_ones_are_told_or_closed(street, monkeypatch):
    made, body = street
    monkeypatch.setattr(made, "patience", Patience(start=0.2))
    monkeypatch.setattr(server, "HEADERS_WITHIN", 0.2)
    monkeypatch.setattr(server, "IDLE", 1)
    with running(made) as url:
        assert spoken(url, request(body)[:-20]).startswith(b"HTTP/1.1 408")
        assert spoken(url, b"POST /locate HTTP/1.1\r\nHost:") == b""
        assert spoken(url, b"") == b""
        # The same behind a request that was answered.
        answer = spoken(url, request(body) + b"POST /loc")
        assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1") == 1
    assert made.batcher.inside == 0


def test_many_connections(street):
    made, body = street
    with running(made, connections=20) as url, contextlib.ExitStack() as stack:
        port = int(url.rsplit(":", 1)[1])
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(40)
        ]
        refused = 0
        for connection in opened[20:]:
            with contextlib.suppress(ConnectionError):
                refused += connection.recv(4096).startswith(b"HTTP/1.1 503")
        assert refused > 0
        opened[0].sendall(request(body))  # who is in is served
        assert opened[0].recv(4096).startswith(b"HTTP/1.1 200")


def test_a_port_that_is_taken():
    with listening(Address(port=0)) as at:
        assert at.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        taken = at.getsockname()[1]
        with (
            pytest.raises(InputError, match=f"--port {taken}: .*in use"),
            listening(Address(port=taken)),
        ):
            pass


@pytest.fixture
def fresh(tmp_path):
    """A service that may be stopped, with few places."""
    bounds = Bounds(Pace(size=4, wait=0.001, places=6))
    config, made = street_service(tmp_path, bounds)
    yield made, json.dumps(fields(locate(config)[0].scene, 0)).encode()
    ended(made)


class Crowd:
    """Clients that ask again and again until nobody takes their connections; counted by status."""

    def __init__(self, body):
        self.counts, self._body, self.begun = Counter(), body, asyncio.Event()

    async def client(self, port):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                self.counts["refused"] += 1
                return
            with contextlib.closing(writer):
                await self._talk(reader, writer)

    async def _talk(self, reader, writer):
        first = True
        while True:
            try:
                writer.write(request(self._body))
                head = await reader.readuntil(b"\r\n\r\n")
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                # Only the kernel took the connection: the port closed before it was accepted.
                assert first and not getattr(error, "partial", b"")
                self.counts["unaccepted"] += 1
                return
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.counts[int(head[9:12])] += 1
            self.begun.set()
            first = False
            if b"connection: close" in head.lower():
                return


def test_nothing_is_lost_when_it_is_stopped_under_load(fresh):
    """Each request is answered, or its connection was not accepted; then the service ends."""
    made, body = fresh

    async def load():
        where, crowd = Address(port=0), Crowd(body)
        with listening(where) as at:
            port = at.getsockname()[1]
            service = asyncio.create_task(serve(guarded(made), made.batcher, where, at))
            clients = [asyncio.create_task(crowd.client(port)) for _ in range(24)]
            await crowd.begun.wait()
            await asyncio.sleep(0.5)
            os.kill(os.getpid(), signal.SIGTERM)
            await service
        await asyncio.gather(*clients)
        return crowd.counts

    counts = asyncio.run(load())
    assert set(counts) <= {200, 429, 503, "refused", "unaccepted"}
    assert counts[200] > 0 and counts[503] > 0 and counts["refused"] == 24
    assert made.batcher.inside == 0 and made.batcher.stopping
    told = made.metrics.text()  # what the service has answered is what has arrived
    for status in {200, 429, 503} & set(counts):
        assert f'gcsa_requests_total{{code="{status}"}} {counts[status]}\n' in told


def test_who_is_inside_is_answered_after_the_signal(fresh):
    made, body = fresh
    answer, may = made.answering.answer, threading.Event()

    def slowly(questions):
        may.wait()
        return answer(questions)

    made.batcher.stop()
    made.batcher = Batcher(slowly, Pace())

    async def stopped():
        where = Address(port=0, grace=0.2)
        with listening(where) as at:
            url = f"http://127.0.0.1:{at.getsockname()[1]}"
            service = asyncio.create_task(serve(guarded(made), made.batcher, where, at))
            async with httpx.AsyncClient(timeout=None) as client:
                headers = {"content-type": "application/json"}
                asked = asyncio.create_task(
                    client.post(f"{url}/locate", content=body, headers=headers)
                )
                while not made.batcher.inside:
                    await asyncio.sleep(0.01)
                os.kill(os.getpid(), signal.SIGTERM)
                while not made.batcher.stopping:
                    await asyncio.sleep(0.01)
                late = await client.get(f"{url}/health")
                may.set()
                first = await asked
            await service
        return first.status_code, first.headers["connection"], late.status_code

    assert asyncio.run(stopped()) == (200, "close", 503)


def test_the_thread_of_answers_survives_what_goes_wrong(street, monkeypatch):
    made, body = street
    right = {"content": body, "headers": {"content-type": "application/json"}}
    with monkeypatch.context() as patched:
        patched.setattr(made.answering, "_answers", lambda *_: 1 / 0)
        assert ask(made, right)[0].status_code == 500
    assert ask(made, right)[0].status_code == 200


def test_the_program_from_its_start_to_its_end(tmp_path):
    words = overrides(street_world(tmp_path))
    command = [sys.executable, "-m", "gcsa", "serve", "--port", "0", *words]
    environment = {**os.environ, "GCSA_TOKEN": TOKEN}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stderr:
            if found := re.match(r"(http://127\.0\.0\.1:\d+)/ is served", line):
                break
        url, headers = found[1], {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{url}/scenes").status_code == 401
        about = httpx.get(f"{url}/scenes", headers=headers).json()
        assert about["scenes"] == [{"name": "east", "images": 60}] and not about["photos"]
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read()
    assert process.returncode == 0 and "stopping: 0 requests are inside" in told
