"""What the command lines of the programs have in common: each shared option is defined here once.

Nothing heavy is imported: a program parses its arguments first, and imports what it needs then.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from gcsa.errors import InputError

# Settings that an option of their own stands for: --device, --online.
DEVICE, SEQUENCES = "train.device", "posterior.sequences"


def program(
    name: str, description: str, example: str = "", note: str = "", **more: Any
) -> argparse.ArgumentParser:
    """The parser of ``gcsa NAME``.

    example: arguments worth typing, shown behind the options. note: what stands before them.
    more: of argparse's own, an epilog in the place of both.
    """
    if example:
        more["epilog"] = f"{note} Example: gcsa {name} {example}".strip()
    return argparse.ArgumentParser(prog=f"gcsa {name}", description=description, **more)


def add_conf(
    parser: argparse.ArgumentParser,
    what: str = "YAML file of settings; without it, the defaults (MSLS)",
    required: bool = False,
) -> None:
    parser.add_argument("--conf", metavar="YAML", required=required, help=what)


def add_checkpoint(
    parser: argparse._ActionsContainer,
    what: str = "model to re-rank with; without it, none",
    required: bool = False,
) -> None:
    parser.add_argument("--checkpoint", metavar="FILE", required=required, help=what)


def add_method(parser: argparse._ActionsContainer, option: str = "--method") -> None:
    """A re-ranker without training by name, in the place of a checkpoint; posterior also with one
    that gives logits."""
    parser.add_argument(
        option,
        metavar="NAME",
        help="re-rank by this method, without training: posterior, k-reciprocal, neighbours, ... "
        "(gcsa rerank --list_methods: all); posterior also by a checkpoint of train.loss=place",
    )


def add_locating(parser: argparse._ActionsContainer) -> None:
    """What locates queries: the posterior, or what corrects it."""
    parser.add_argument(
        "--method", metavar="NAME", help="posterior (default), or place: a trained network corrects"
    )


def add_online(parser: argparse._ActionsContainer) -> None:
    """Frames of a sequence help each other, the past alone: a setting of the posterior."""
    parser.add_argument(
        "--online",
        action="store_true",
        help="with --method posterior: what is known of a query's sequence before it counts, too "
        f"({SEQUENCES}=both: what comes after it as well)",
    )


def add_fusion(parser: argparse._ActionsContainer) -> None:
    """Re-ranked scores mixed with the first round's; :meth:`gcsa.rerankers.fusion.Fusion.given`."""
    parser.add_argument(
        "--fusion",
        metavar="WEIGHT",
        help="mix the re-ranking's scores with the first round's: from 0 (the first round) to 1; "
        "WEIGHT:z scales both by mean and spread, not by least and most",
    )


def add_split(parser: argparse.ArgumentParser, choices: str = "train, val (default) or test"):
    parser.add_argument("--split", default="val", help=choices)


def add_num(parser: argparse._ActionsContainer, default: int, what: str = "images a query") -> None:
    """How many images of each query come out."""
    parser.add_argument(
        "--num", type=int, default=default, metavar="N", help=f"{what} (default {default})"
    )


def add_candidates(
    parser: argparse._ActionsContainer, what: str, default: int | None = None
) -> None:
    """How many images of each query go in: the first round's best."""
    parser.add_argument("--candidates", type=int, default=default, metavar="K", help=what)


def add_images(parser: argparse._ActionsContainer) -> None:
    """Photos of a folder, in the place of those of a data set's scenes (:func:`add_conf`)."""
    parser.add_argument("--images", metavar="DIR", help="all photos below this folder")


def add_skip_broken(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--skip_broken", action="store_true", help="leave out broken photos")


def add_device(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="also write the report here")


def add_verbose(parser: argparse.ArgumentParser, what: str = "say the whole protocol") -> None:
    parser.add_argument("--verbose", action="store_true", help=what)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )


def add_world(parser: argparse.ArgumentParser, sizes: Sequence[str], what: str) -> None:
    """What a synthetic world is drawn by. what: the sizes, in words."""
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--size", choices=sizes, default="tiny", help=f"{what} (default: tiny)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--force", action="store_true", help="replace another world in DIR")
    parser.add_argument(
        "--also",
        metavar="LAYOUT",
        help="utm or kapture: write the scenes in this layout, too, to DIR/LAYOUT (gcsa export)",
    )


def add_renamed(parser: argparse._ActionsContainer, old: str, new: str, **more: Any) -> None:
    """An option's old name, for a release: taken, not shown in the help, and a word said of it."""
    parser.add_argument(
        old,
        action=_Renamed,
        new=new,
        dest=new.lstrip("-"),
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
        **more,
    )


class _Renamed(argparse.Action):
    def __init__(self, *args: Any, new: str, **more: Any):
        super().__init__(*args, **more)
        self.new = new

    def __call__(self, parser, namespace, values, option_string=None):
        _note(f"{option_string} is called {self.new} now; the old name goes with the next release")
        setattr(namespace, self.dest, values)


def overrides(args: argparse.Namespace, words: Iterable[str] = ()) -> list[str]:
    """The ``section.key=value`` of a command line, --device among them.

    words: what other options took that belongs here, see :func:`is_override`.
    """
    found = [*args.overrides, *filter(is_override, words)]
    if any(word.startswith(f"{DEVICE}=") for word in found):
        _note(f"{DEVICE}=... is --device ... now; the old way goes with the next release")
    # Not every program has these.
    device, online = getattr(args, "device", None), getattr(args, "online", False)
    if online:
        _check_online(found)
        found.append(f"{SEQUENCES}=online")
    return found if device is None else [*found, f"{DEVICE}={device}"]


def _check_online(words: Iterable[str]) -> None:
    for word in words:
        if word.startswith(f"{SEQUENCES}=") and word != f"{SEQUENCES}=online":
            raise InputError(f"--online and {word}: only one of them")


def is_override(text: str) -> bool:
    """Whether a word of the command line is ``section.key=value``."""
    return re.match(r"^\w+\.\w+=", text) is not None


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
