"""Read mutated files by every reader of the package; whatever is no InputError is a finding.

Input number i is made from i alone, and read by reader i modulo their number (tests/fuzz/seeds.py
has them), in a process of its own with limits on memory and time. What is found is kept with its
traceback below --keep, by its number: --start NUMBER --count 1 makes it again.

    nice python scripts/fuzz.py --count 100000        # the long run; --start goes on with it
    python scripts/fuzz.py --reader npz --count 2000  # one reader alone
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / part) for part in (".", "tests", "tests/fuzz")]

CPU = 20  # seconds that an input may take of one processor
SILENT = 600  # seconds after which a process that says nothing is ended
BATCH = 400  # inputs of a process


class TooLong(BaseException):
    """An input takes more than CPU seconds."""


def numbers(start: int, count: int, names: list[str], reader: str | None) -> Iterator[int]:
    """The numbers of the inputs: from start on, of one reader every so many."""
    if reader is None:
        yield from range(start, start + count)
        return
    first = start + (names.index(reader) - start) % len(names)
    yield from range(first, first + count * len(names), len(names))


def read_one(number: int, templates: Path, work: Path) -> str:
    """What became of an input: "read", "refused", or the traceback of a finding."""
    from seeds import SEEDS

    from gcsa.errors import InputError

    names = list(SEEDS)
    name, random = names[number % len(names)], Random(number)
    seed = SEEDS[name]
    folder = work / "input"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(templates / name, folder)
    target = random.choice(sorted(folder.glob(seed.files)))
    target.write_bytes(seed.mutation(target.read_bytes(), random))
    signal.setitimer(signal.ITIMER_PROF, CPU)
    try:
        seed.read(folder)
    except InputError as error:
        if len(str(error).splitlines()) != 1 or len(str(error)) > 2000:
            return f"a message of {len(str(error))} characters, in several lines: {error}"
        return "refused"
    except BaseException:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def _limit(memory: int) -> None:
    if memory:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + (memory << 20), size + (memory << 20)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def stop(number: int, frame: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, stop)


def _work(batch: list[int], templates: Path, keep: Path, memory: int, pipe: int) -> None:
    """Read a batch, and say of each number when it starts and what became of it."""
    _limit(memory)
    work = Path(tempfile.mkdtemp(dir=templates))
    for number in batch:
        os.write(pipe, f"{number} ?\n".encode())
        result = read_one(number, templates, work)
        if result not in ("read", "refused"):
            _keep(keep, number, work / "input", result)
            result = "found"
        os.write(pipe, f"{number} {result}\n".encode())
    shutil.rmtree(work)


def _keep(keep: Path, number: int, folder: Path | None, text: str) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    (keep / f"{number}.txt").write_text(text)
    if folder is not None and folder.is_dir():
        shutil.copytree(folder, keep / str(number), dirs_exist_ok=True)


def run_batch(
    batch: list[int], templates: Path, keep: Path, memory: int
) -> Iterator[tuple[int, str]]:
    """(number, result) of each input: read, refused, found; crashed where its process ended."""
    while batch:
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receive)
            try:
                _work(batch, templates, keep, memory, send)
            except BaseException:  # of the mutation, or of this script
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(send)
        open_number = None
        for number, result in _said(receive, child):
            open_number = number if result == "?" else None
            if result != "?":
                batch = batch[1:]
                yield number, result
        _, status = os.waitpid(child, 0)
        if open_number is not None:
            _keep(keep, open_number, None, f"its process ended, status {status}")
            batch = batch[1:]
            yield open_number, "crashed"
        elif batch and status:
            raise SystemExit(f"error: a process could not start, status {status}")


def _said(pipe: int, child: int) -> Iterator[tuple[int, str]]:
    text = b""
    while True:
        if not select.select([pipe], [], [], SILENT)[0]:
            os.kill(child, signal.SIGKILL)
        more = os.read(pipe, 65536)
        *lines, text = (text + more).split(b"\n")
        for line in lines:
            number, result = line.decode().split()
            yield int(number), result
        if not more:
            os.close(pipe)
            return


def templates_of(folder: Path) -> None:
    """The files of all seeds, each of which its reader reads as it is."""
    from seeds import SEEDS

    for name, seed in SEEDS.items():
        (folder / name).mkdir()
        seed.make(folder / name)
        check = folder / "check"
        shutil.copytree(folder / name, check)
        seed.read(check)
        shutil.rmtree(check)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Read mutated files by every reader.")
    made.add_argument("--start", type=int, default=0, metavar="N", help="first number (default 0)")
    made.add_argument("--count", type=int, default=100_000, metavar="N", help="how many")
    made.add_argument("--reader", metavar="NAME", help="one alone, of tests/fuzz/seeds.py")
    made.add_argument(
        "--memory", type=int, default=2048, metavar="MB", help="that an input may take; 0: any"
    )
    made.add_argument("--keep", default="outputs/fuzz", metavar="DIR", help="for what is found")
    return made


def main() -> int:
    args = parser().parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # a process that forks must have one thread
    warnings.simplefilter("ignore")
    import torch
    from seeds import SEEDS

    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    if args.reader is not None and args.reader not in SEEDS:
        print(f"error: --reader: choose from {', '.join(SEEDS)}", file=sys.stderr)
        return 2
    todo = list(numbers(args.start, args.count, list(SEEDS), args.reader))
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        templates_of(Path(folder))
        for first in range(0, len(todo), BATCH):
            batch = todo[first : first + BATCH]
            for number, result in run_batch(batch, Path(folder), Path(args.keep), args.memory):
                counts[result] += 1
                if result in ("found", "crashed"):
                    print(f"{number} {list(SEEDS)[number % len(SEEDS)]}: {result}", flush=True)
            minutes = (time.monotonic() - begun) / 60
            if (first // BATCH) % 5 == 4:
                print(f"to {batch[-1]}: {dict(counts)}, {minutes:.1f} min", flush=True)
    found = counts["found"] + counts["crashed"]
    print(
        f"{len(SEEDS)} readers, {len(todo)} inputs: {counts['read']} read, {counts['refused']} "
        f"refused, {counts['found']} tracebacks, {counts['crashed']} crashes"
    )
    return 1 if found else 0


if __name__ == "__main__":
    done = main()
    sys.stdout.flush()
    os._exit(done)  # libraries that Python ends fault under sanitizers
