"""A training step at the published sizes, by stage and mode, against the limit of its FLOPs.

Counted: a linear layer of n rows costs 2 n in out operations forward, as many for the gradient of
its weights and again for that of its input, where something below is trained; attention its two
products. Everything else (dropout, norms, the loss, the optimiser, gathering, side information,
labels) should hide behind that. All in one process, so that ratios mean something. On a GPU
(train.device=cuda) times are of the wall, with threads that prepare batches.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from city import ranked_city
from machine import clock, describe, peak_gflops, table

from gcsa.config import load_config
from gcsa.models.gcsa import GCSA
from gcsa.scoring.ranker import pick_device
from gcsa.scoring.split import JudgedScene
from gcsa.training.trainer import Trainer

STAGE_1 = ["model.num_layers=0"]
STAGE_2 = [
    "model.num_layers=1",
    "model.K=319",
    "model.L=127",
    "model.affinity=[positional-db,heading]",
    "train.freeze_input_proj=true",
    "train.init_proj=pca",
]
QUERIES = 0.55  # for each database image
MODES = {
    "stage 1, per-candidate": [*STAGE_1, "train.projection=per-candidate"],
    "stage 1, shared": [*STAGE_1, "train.projection=shared", "train.nearby=32"],
    "stage 2, per-candidate": [*STAGE_2, "train.projection=per-candidate"],
    "stage 2, shared": [*STAGE_2, "train.projection=shared"],
}


def projection_gflop(model: GCSA, rows: float, trained: bool) -> float:
    """Operations of projecting so many descriptors, with the gradient of the weights if trained."""
    return (2 if trained else 1) * 2e-9 * rows * model.input_dim * model.proj_dim


def layers_gflop(model: GCSA, queries: int) -> float:
    """Operations of what follows the projection, forward and backward."""
    if model.num_layers == 0:
        return 0.0
    T, D, L = 1 + model.K, model.output_dim, 1 + model.L
    affinity = T * L * model.proj_dim + 2 * T * (L + model.aff_dim) * D  # forward, gradient
    layer = T * (3 * D * D + D * D + 8 * D * D) + 2 * T * T * D
    return 2e-9 * queries * (affinity + 3 * model.num_layers * layer)


def measure(settings: list[str], scene: JudgedScene, steps: int) -> dict[str, float]:
    """Seconds, operations and the host's preparation of a step, and images projected a query."""
    config = load_config(None, [*settings, f"train.refresh={steps}"])
    device = pick_device(config.train.device)
    if device.type == "cpu":  # one thread does it all
        config.data.num_workers = 0
    trainer = Trainer(config, [scene], device)
    trainer.model.train()
    order = trainer.sampler.epoch(np.random.default_rng(0))
    size = config.data.batch_size
    warm = trainer._batches(order[: 2 * size], 1)
    for batch, projected, weight in warm:
        trainer.step(batch, projected, weight)
    prepared, now = 0.0, clock(device)
    start = mark = now()
    images = []
    for batch, projected, weight in trainer._batches(order[: steps * size], 1):
        prepared += now() - mark
        images.append(len(batch.descriptors) if batch.descriptors is not None else len(projected))
        trainer.step(batch, projected, weight)
        mark = now()
    seconds = (now() - start) / steps
    model, shared = trainer.model, config.train.projection == "shared"
    rows = size * (1 + max(model.K, model.L)) if not shared else np.mean(images)
    window = steps if shared and trainer.frozen else 1
    project = projection_gflop(model, rows / window, trained=not trainer.frozen)
    return {
        "seconds": seconds,
        "prepared": prepared / steps,
        "projected": rows / window / size,
        "gflop": project + layers_gflop(model, size),
        "queries": size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=int, default=12000)
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each mode")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()
    if args.quick:
        args.database, args.steps = 2000, 1
        small = ["model.input_dim=256", "model.proj_dim=64", "model.K=60", "model.L=30"]
        args.overrides = [*small, *args.overrides]
    args.overrides = ["train.device=cpu", *args.overrides]
    torch.set_num_threads(1)
    length = load_config(None, args.overrides).model.input_dim
    # As many queries for a database image as MSLS's training cities have: how often images recur
    # in the lists of queries that are near each other follows from it.
    queries = max(32 * args.steps, round(QUERIES * args.database))
    scene = ranked_city(args.database, queries, length, 319, ["positional-db", "heading"])
    device = pick_device(load_config(None, args.overrides).train.device)
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    peak = peak_gflops(dtype, device=device)
    print(
        f"{describe()}\n{args.database} database images, {args.steps} steps of each mode, ", end=""
    )
    what = "CPU time of one thread" if device.type == "cpu" else "time by the wall, float16"
    print(f"{what}; matrix products: {peak:.0f} GFLOP/s\n")
    rows, first = [], {}
    for name, settings in MODES.items():
        found = measure([*settings, *args.overrides], scene, args.steps)
        per_query = 1e3 * found["seconds"] / found["queries"]
        reference = first.setdefault(name[:7], per_query)
        limit = found["gflop"] / peak / found["seconds"]
        rows.append([
            name,
            f"{per_query:.1f}",
            f"{reference / per_query:.1f}",
            f"{found['projected']:.0f}",
            f"{found['gflop'] / found['queries']:.2f}",
            f"{limit:.0%}",
            f"{found['prepared'] / found['seconds']:.1%}",
        ])  # fmt: skip
    header = ["mode", "ms a query", "times per-candidate", "images projected a query"]
    header += ["GFLOP a query", "of the FLOP limit", "spent on preparing batches"]
    print(table(rows, header))


if __name__ == "__main__":
    main()
