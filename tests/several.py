"""A day's work in a tiny world: by one process, or as one of torchrun's, which may be killed.

    torchrun ... tests/several.py FOLDER

FOLDER has settings.json: the overrides of a world, "only" the programs to run, and "kill":
{attempt: {"rank", "after", "count"}}, which process kills itself in which of torchrun's attempts,
and after how many events of a kind; without a rank they count together, and whichever comes to that
number does: who does how many pieces is a matter of time. Events, a line each, go to
FOLDER/events.RANK: pieces that were made or read, epochs that were kept.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch

from gcsa import distributed
from gcsa.__main__ import main
from gcsa.distributed import work
from gcsa.errors import run_program
from gcsa.ranking import retrieval, search, sharded
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.training.run import Run

# Small enough that a tiny world is many pieces.
SMALL = {
    (search, "DATABASE_CHUNK"): 16,
    (sharded, "DATABASE_CHUNK"): 16,
    (search, "QUERY_CHUNK"): 8,
    (retrieval, "QUERY_CHUNK"): 8,
    (work, "LEAST"): 4,
}


def scene() -> Scene:
    """A database of 200 images with equal ones among them, and queries of which some are in it."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(230, 8)).round(1)
    rows[50:60] = rows[40:50]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    names = np.array([f"{i:03d}" for i in range(230)])
    own = np.r_[5:10, 200:230]
    return Scene("s", ImageSet(names[:200], rows[:200]), ImageSet(names[own], rows[own]))


def commands(folder: Path, settings: list[str]) -> list[list[str]]:
    """What is asked of the programs; the files that are to be compared go to FOLDER/out."""
    out, conf = folder / "out", ["--conf", str(folder / "c.yaml")]
    evaluate = ["evaluate", *conf, *settings]
    return [
        [*evaluate, "--json", f"{out}/none.json"],
        [*evaluate, "--json", f"{out}/trained.json", "--checkpoint", str(folder / "c.pth.tar")],
        [*evaluate, "--json", f"{out}/posterior.json", "--method", "posterior"],
        ["locate", *conf, *settings, "--output", f"{out}/where.geojson"],
        ["pairs", *conf, *settings, "--method", "k-reciprocal", "--output", f"{out}/pairs.txt"],
        ["benchmark", *conf, *settings, "--methods", "alpha-qe,affinity,posterior"]
        + ["--tune_queries", "5", "--candidates", "20"],
        ["extract", "--images", str(folder / "photos"), "--output", f"{out}/f.h5"]
        + ["--batch_size", "1", "--whiten", "4"],
        ["train", "--name", "t", *conf, *settings],
    ]


def run(folder: Path, settings: list[str], only: list[str] | None = None) -> None:
    """All of it, or some programs only. To be called with the constants of SMALL set."""
    with work.keeping(folder / "parts"):
        for number in (1, 7, 40):
            found = retrieve(scene(), number, search="fp32")
            if distributed.rank() == 0:
                (folder / "out").mkdir(exist_ok=True)
                np.savez(folder / "out" / f"{number}.npz", **vars(found))
    for words in commands(folder, settings):
        if only is not None and words[0] not in only:
            continue
        sys.argv = ["gcsa", *words]
        with redirect_stdout(io.StringIO()) as said:
            main()
        if words[0] == "benchmark" and distributed.rank() == 0:
            (folder / "out" / "benchmark.md").write_text(said.getvalue())


def observe(folder: Path, kill: dict[str, dict]) -> None:
    """Write down what happens, and die where that is asked for."""
    rank, attempt = os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]
    fate = kill.get(attempt, {})
    events, count = open(folder / f"events.{rank}", "a"), 0
    kept, finish = work._kept, Run.finish_epoch

    def happened(what: str, name: str) -> None:
        nonlocal count
        events.write(f"{attempt} {what} {name}\n")
        events.flush()
        if what != fate.get("after") or fate.get("rank", int(rank)) != int(rank):
            return
        count = count + 1 if "rank" in fate else distributed.counted(f"test/{attempt}")
        if count == fate["count"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def observed(path, make):
        fresh = []

        def making():
            fresh.append(path.name)
            return make()

        found = kept(path, making)
        # Not before it is written: torchrun may end the process between the two.
        events.writelines(f"{attempt} made {name}\n" for name in fresh)
        happened("piece", path.name)
        return found

    def finished(self, row, *rest):
        finish(self, row, *rest)
        happened("epoch", row["epoch"])

    work._kept, Run.finish_epoch = observed, finished


def work_of_one() -> None:
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "settings.json").read_text())
    for (module, name), value in SMALL.items():
        setattr(module, name, value)
    torch.set_num_threads(1)
    observe(folder, asked["kill"])
    with distributed.processes(30.0, work.REMEDY):
        run(folder, asked["settings"], asked["only"])


if __name__ == "__main__":
    run_program(work_of_one)
