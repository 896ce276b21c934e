"""What the command line of gcsa extract asks for, put together and run."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gcsa import distributed
from gcsa.config import load_config
from gcsa.descriptors.extraction.extract import Effort
from gcsa.descriptors.extraction.recipes import Reading, recipe
from gcsa.descriptors.networks import Network, default_weights, fused, load_network
from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.errors import InputError
from gcsa.extract.photos import of_folder, of_scenes
from gcsa.extract.run import Kept, run
from gcsa.scoring.ranker import pick_device

logger = logging.getLogger(__name__)

WHITENED = 128  # numbers of a descriptor of the network that ships
SUFFIX = ".whitening.npz"
PATIENCE = 24 * 60  # minutes that a process waits for one whose photos take longer


def extract(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    """Run the program with what its parser gives."""
    effort, kept = _effort(args), _kept(args)
    if args.images is None:
        config = load_config(args.conf, overrides)
        jobs = of_scenes(config)
        home = jobs[0].output.parents[0 if jobs[0].roles else 1]
        beside = home / f"{jobs[0].output.stem}{SUFFIX}"
    else:
        output = Path(args.output)
        jobs = [of_folder(Path(args.images), output)]
        beside = output.with_name(output.stem + SUFFIX)
    with distributed.processes(PATIENCE, "; start it again, and it goes on"):
        device = pick_device(args.device or "auto")
        weights = default_weights() if args.weights is None else Path(args.weights)
        network = fused(load_network(weights, device))
        made = recipe(network, weights, _reading(args, network))
        run(jobs, network, made, effort, kept, device, beside, args.skip_broken)


def _reading(args: argparse.Namespace, network: Network) -> Reading:
    decode = args.decode or ("full" if args.weights else "reduced")
    scales = tuple(args.multiscale or (1.0,))
    if any(not 0.1 <= scale <= 4 for scale in scales):
        raise InputError("--multiscale: expected scales from 0.1 to 4")
    resize = None if args.size is None else _resize(args.size, network.resizing)
    return Reading(args.orientation, resize, scales, decode == "reduced")


def _resize(text: str, own: Resize) -> Resize:
    """``480x640`` (height, width) or ``1024``, the longer side; filter and cutting stay."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if found is None or not int(found[1]) or found[2] == "0":
        raise InputError(f"--size: '{text}', expected HEIGHTxWIDTH or the longer side, in pixels")
    if found[2] is None:
        return replace(own, exactly=None, longest=int(found[1]))
    return replace(own, exactly=(int(found[1]), int(found[2])), longest=None)


def _effort(args: argparse.Namespace) -> Effort:
    for option in ("batch_size", "workers"):
        if (value := getattr(args, option)) is not None and value < 1:
            raise InputError(f"--{option}: {value} is less than 1")
    return Effort(args.batch_size, args.workers or 2, args.precision, args.compile)


def _kept(args: argparse.Namespace) -> Kept:
    text = args.whiten or ("none" if args.weights else str(WHITENED))
    if text == "none":
        return Kept(None, args.dtype)
    if text.isdigit() and int(text) > 0:
        return Kept(int(text), args.dtype)
    return Kept(Path(text), args.dtype)
