"""An evaluation pass at the published sizes, against the limit of its FLOPs.

Every image of the scene is projected once, then each query costs the forward pass of the
transformer. Beside it, what projecting the candidates of each query anew would cost.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from city import ranked_city
from machine import describe, peak_gflops, table, time_on
from training import projection_gflop

from gcsa.models.gcsa import GCSA
from gcsa.ranking.refine import refine
from gcsa.sideinfo.affinity import width

KINDS = ["positional-db", "heading"]


def forward_gflop(model: GCSA, queries: int) -> float:
    """Operations of what follows the projection, forward alone; see training.py."""
    T, D, L = 1 + model.K, model.output_dim, 1 + model.L
    affinity = T * L * model.proj_dim + T * (L + model.aff_dim) * D
    layer = T * (3 * D * D + D * D + 8 * D * D) + 2 * T * T * D
    return 2e-9 * queries * (affinity + model.num_layers * layer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=int, default=4000)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    length = 4096
    if args.quick:
        args.database, args.queries, length = 800, 16, 256
    torch.set_num_threads(1)
    model = GCSA(length, 512, 768, 319, 127, 1, 12, sum(width(k, 127) for k in KINDS))
    model = model.to(args.device).eval()
    city = ranked_city(args.database, args.queries, length, 319, KINDS)
    peak = peak_gflops(device=args.device)
    run = partial(refine, model, city.scene, city.candidates, city.side)
    seconds = time_on(args.device, run, 3)
    images = args.database + args.queries
    project, layers = projection_gflop(model, images, False), forward_gflop(model, args.queries)
    anew = projection_gflop(model, 320 * args.queries, False)
    print(f"{describe()}\n{args.queries} queries, {args.database} database images, K 319, L 127; ")
    print(f"{args.device}, one thread; matrix products: {peak:.0f} GFLOP/s\n")
    rows = [
        ["seconds", f"{seconds:.2f}"],
        ["ms a query", f"{1e3 * seconds / args.queries:.1f}"],
        ["GFLOP: every image projected once", f"{project:.0f}"],
        ["GFLOP: transformer", f"{layers:.0f}"],
        ["GFLOP that projecting each list anew would need", f"{anew:.0f}"],
        ["of the FLOP limit", f"{(project + layers) / peak / seconds:.0%}"],
    ]
    print(table(rows, ["evaluation", ""]))


if __name__ == "__main__":
    main()
