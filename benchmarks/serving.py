"""gcsa serve under load: requests a second, their times, and a stop that loses nothing.

The server is a process of its own, the clients are another; both on this machine. Databases are
drawn here: descriptors along a street, and photos that the network that ships describes. A client
asks again as soon as it is answered.

    python benchmarks/serving.py
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from machine import describe, table
from PIL import Image

CLIENTS = (1, 8, 64)
LENGTH, METRES = 512, 62_800 / 13  # numbers of a descriptor; of a degree of longitude
LON, LAT = 13.19, 55.7
QUERIES = 64  # different requests
RATES = (
    "what",
    "clients",
    "requests a second",
    "ms, half of them",
    "ms, 99 of 100",
    "CPU ms of the server each",
    "answered together",
    "told another time",
)
STOPPED = ("what", "200", "429", "503", "refused", "not accepted", "lost", "exit status")


def write_table(folder: Path, names: Sequence[str], queries: int) -> None:
    """images.csv of photos 8 m apart; of the last ones nobody knows where they were taken."""
    lines = ["name,lat,lon,heading,split"]
    for number, name in enumerate(names):
        if number < len(names) - queries:
            lines.append(f"{name},{LAT},{LON + number * 8 / 62_800:.7f},90,database")
        else:
            lines.append(f"{name},,,90,query")
    (folder / "images.csv").write_text("\n".join(lines) + "\n")


def descriptors(root: Path, count: int) -> tuple[list[str], list[bytes], str]:
    """A database of descriptors: words of the command line, bodies of requests, their type."""
    random, folder = np.random.default_rng(0), root / "street"
    folder.mkdir()
    looks = (
        random.normal(size=(count, LENGTH))
        + 2 * random.normal(size=(50, LENGTH))[random.integers(50, size=count)]
    )
    own = looks[random.integers(count, size=QUERIES)] + random.normal(size=(QUERIES, LENGTH))
    rows = np.concatenate([looks, own])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    write_table(folder, [f"{n}.jpg" for n in range(len(rows))], QUERIES)
    np.save(folder / "looks.npy", rows.astype(np.float16))
    bodies = [json.dumps({"descriptor": row.round(4).tolist(), "heading": 90}).encode()
              for row in rows[-QUERIES:].astype(np.float16).astype(float)]  # fmt: skip
    return ["--folder", str(folder)], bodies, "application/json"


def photographs(root: Path, count: int) -> tuple[list[str], list[bytes], str]:
    """A database of photos of 1024 x 768 and requests with photos of these places."""
    for folder, seeds in (("known", range(count)), ("asked", range(0, count, 3))):
        (root / folder).mkdir()
        for seed in seeds:
            small = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
            whole = Image.fromarray(small).resize((1024, 768), Image.Resampling.BICUBIC)
            whole.save(root / folder / f"{seed:03d}.jpg", quality=85 if folder == "known" else 70)
    write_table(root / "known", [f"{seed:03d}.jpg" for seed in range(count)], 0)
    words = ["photos", str(root / "known"), "--queries", str(root / "asked")]
    gcsa(*words, "--output", str(root / "out"))
    bodies = [path.read_bytes() for path in sorted((root / "asked").glob("*.jpg"))]
    return ["--folder", str(root / "out")], bodies, "image/jpeg"


def gcsa(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "gcsa", *words], check=True, capture_output=True)


@contextlib.contextmanager
def serving(words: Sequence[str]) -> Iterator[tuple[subprocess.Popen, int]]:
    """A server, ready, and its port."""
    command = [sys.executable, "-m", "gcsa", "serve", *words, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port, said = None, []
        for line in process.stderr:
            said.append(line)
            if found := re.match(r"http://127\.0\.0\.1:(\d+)/ is served", line):
                port = int(found[1])
                break
        if port is None:
            sys.exit("".join(said))
        try:
            yield process, port
        finally:
            process.terminate()
            process.communicate()


class Load:
    """Clients that ask without a pause; what they were told, and how long it took."""

    def __init__(self, port: int, bodies: Sequence[bytes], kind: str):
        self.port, self.told, self.seconds = port, Counter(), []
        head = "POST /locate HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Type: {kind}\r\nContent-Length: "
        self._requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]

    async def run(self, clients: int, until: float) -> None:
        """So many clients until a moment of time.monotonic."""
        await asyncio.gather(*(self._client(number, until) for number in range(clients)))

    async def _client(self, number: int, until: float) -> None:
        while time.monotonic() < until:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionError:
                self.told["refused"] += 1
                return
            with contextlib.closing(writer):
                await self._talk(reader, writer, number, until)

    async def _talk(self, reader, writer, number: int, until: float) -> None:
        first = True
        while time.monotonic() < until:
            number = (number + 1) % len(self._requests)
            began = time.monotonic()
            try:
                writer.write(self._requests[number])
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                await reader.readexactly(length)
            except (ConnectionError, asyncio.IncompleteReadError):
                # The first of a connection: the port closed before that was accepted.
                self.told["not accepted" if first else "lost"] += 1
                return
            first, status = False, int(head[9:12])
            self.told[status] += 1
            if status == 200:
                self.seconds.append(time.monotonic() - began)
            if b"connection: close" in head.lower():
                return


def cpu(process: subprocess.Popen) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def batches(port: int) -> tuple[float, float]:
    """Questions answered so far, and in how many batches."""
    with urllib.request.urlopen(f"http://localhost:{port}/metrics") as answer:
        text = answer.read().decode()
    found = dict(re.findall(r"^gcsa_batch_size_(sum|count) ([\d.]+)$", text, re.M))
    return float(found["sum"]), float(found["count"])


def rates(name: str, sort, seconds: float, crowds: Sequence[int]) -> list[list[str]]:
    """Rows of the table, a number of clients each."""
    rows, (words, bodies, kind) = [], sort
    with serving(words) as (process, port):
        for clients in crowds:
            asyncio.run(Load(port, bodies, kind).run(clients, time.monotonic() + seconds / 4))
            load, spent, before = Load(port, bodies, kind), cpu(process), batches(port)
            began = time.monotonic()
            asyncio.run(load.run(clients, began + seconds))
            elapsed = time.monotonic() - began  # the last answers come later
            count, after = len(load.seconds), batches(port)
            together = (after[0] - before[0]) / max(1, after[1] - before[1])
            half, most = (1e3 * np.quantile(load.seconds, share) for share in (0.5, 0.99))
            rows.append(
                [name, f"{clients}", f"{count / elapsed:.1f}", f"{half:.1f}", f"{most:.1f}",
                 f"{1e3 * (cpu(process) - spent) / count:.1f}", f"{together:.1f}",
                 f"{sum(load.told.values()) - count}"]
            )  # fmt: skip
    return rows


def stopped(name: str, words, bodies, kind, seconds: float) -> list[str]:
    """A row of the other table: SIGTERM while 64 clients ask, four times as many as are let in."""
    with serving([*words, "--places", "16"]) as (process, port):
        load = Load(port, bodies, kind)

        async def run() -> None:
            asking = asyncio.create_task(load.run(CLIENTS[-1], time.monotonic() + 100 * seconds))
            await asyncio.sleep(seconds)
            process.send_signal(signal.SIGTERM)
            await asking

        asyncio.run(run())
        status = process.wait()
    told = [f"{load.told[key]}" for key in (200, 429, 503, "refused", "not accepted", "lost")]
    return [name, *told, f"{status}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each figure")
    args = parser.parse_args()
    seconds = 0.5 if args.quick else args.seconds
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sorts = {"descriptors": descriptors(root, 500 if args.quick else 10_000)}
        sorts["photos"] = photographs(root, 12 if args.quick else 100)
        crowds = CLIENTS[:1] if args.quick else CLIENTS
        rows = [row for name, sort in sorts.items() for row in rates(name, sort, seconds, crowds)]
        print(table(rows, RATES))
        print()
        some = list(sorts)[: 1 if args.quick else None]
        print(table([stopped(name, *sorts[name], seconds / 2) for name in some], STOPPED))


if __name__ == "__main__":
    main()
