"""Command line: gcsa rerank."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from gcsa import options
from gcsa.errors import run_program
from gcsa.rerank import CANDIDATES, MEANINGS, NUM

EPILOG = """examples:
  one HDF5 file of hloc, query expansion:
    gcsa rerank --queries feats.h5 --query_prefix query/ --database feats.h5
      --database_prefix db/ --method alpha-qe k=10 alpha=3 --output pairs.txt
  arrays, a checkpoint that reads positions and headings:
    gcsa rerank --queries q.npy --query_names q.txt --database db.npy
      --database_names db.txt --metadata images.csv
      --checkpoint checkpoints/miniworld_streets.pth.tar --output pairs.txt
  distance matrices:
    gcsa rerank --query_database d.pth:qg --database_database d.pth:gg
      --matrices distance --method k-reciprocal --output pairs.txt --scores scores.npz
"""


class _ListMethods(argparse.Action):
    """Prints the methods, their parameters and defaults, a method a line, and ends."""

    def __call__(self, parser, namespace, values, option_string=None):
        from gcsa.rerankers import NAMES, known

        for name, method in ((name, known(name)) for name in NAMES):
            values = (
                f"{key}={value}" for key, value in vars(method.config()).items() if key != "K"
            )
            print(f"{name}: {' '.join(values)}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "rerank",
        "Re-rank your own images: from descriptors or matrices to a pairs file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_inputs(made)
    how = made.add_argument_group("how")
    how.add_argument("--method", metavar="NAME", help="re-ranker without training")
    how.add_argument(
        "--list_methods", nargs=0, action=_ListMethods, help="these and their parameters; no more"
    )
    options.add_checkpoint(how, "or a trained network (of descriptors)")
    what = f"how many are re-ranked (default: what the checkpoint does, else {CANDIDATES})"
    options.add_candidates(how, what)
    options.add_fusion(how)
    options.add_device(how)
    how.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="parameters of the method, or section.key=value for a checkpoint",
    )
    out = made.add_argument_group("what comes out")
    out.add_argument("--output", metavar="FILE", required=True, help="pairs file, as hloc's")
    options.add_num(out, NUM)
    out.add_argument("--scores", metavar="FILE.npz", help="names, indices and scores")
    out.add_argument("--images", metavar="FOLDER", help="where the names are image files")
    out.add_argument("--pictures", metavar="FOLDER", help="pictures of some queries' lists")
    out.add_argument("--strips", type=int, default=5, help="how many pictures (default 5)")
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.rerank import Inputs, Outputs, rerank
    from gcsa.rerankers.fusion import Fusion

    rerank(
        _taken(Inputs, args),
        _taken(Outputs, args),
        args.method,
        args.checkpoint,
        args.settings,
        args.candidates,
        args.num,
        args.device or "auto",
        Fusion.given(args.fusion),
    )


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    rows = parser.add_argument_group("descriptors")
    rows.add_argument("--queries", metavar="FILE", help="hloc's HDF5, or .npy of shape (Q, D)")
    rows.add_argument("--database", metavar="FILE", help="likewise, (G, D)")
    for role in ("query", "database"):
        rows.add_argument(f"--{role}_prefix", metavar="TEXT", help="HDF5: names that begin so")
    rows.add_argument(
        "--normalise",
        action="store_true",
        help="bring descriptors to unit length that are not, instead of refusing them",
    )
    matrices = parser.add_argument_group("or matrices (.npy, .npz or .pth; FILE:KEY of several)")
    matrices.add_argument("--query_database", metavar="FILE", help="(Q, G)")
    matrices.add_argument("--database_database", metavar="FILE", help="(G, G), symmetric")
    matrices.add_argument(
        "--matrices",
        metavar="WHAT",
        help=f"what they hold, {' or '.join(MEANINGS)}; distances count as Euclidean ones of unit "
        "vectors, similarities as cosines",
    )
    known = parser.add_argument_group("what is known of the images")
    for role in ("query", "database"):
        known.add_argument(
            f"--{role}_names",
            metavar="FILE",
            help="a name a line; arrays and matrices: of their rows (else numbered), HDF5: which",
        )
    known.add_argument(
        "--metadata",
        metavar="FILE",
        help="CSV of name and x, y or lat, lon; also heading, which a checkpoint reads, and split, "
        "which divides one HDF5 file given for both roles into queries and database",
    )
    for role, what in (("features", "local features"), ("matches", "their matches")):
        known.add_argument(
            f"--{role}", metavar="FILE", help=f"hloc's {what}, which geometric and posterior read"
        )
    known.add_argument(
        "--radio", metavar="FILE", help="CSV of name, transmitter, rssi and frequency_mhz"
    )


def _taken(cls: type, args: argparse.Namespace) -> Any:
    return cls(**{f.name: getattr(args, f.name) for f in fields(cls)})


if __name__ == "__main__":
    run_program(main)
