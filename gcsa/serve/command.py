"""What the command line of gcsa serve asks for, put together and run."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gcsa.config import Config, load_config
from gcsa.datasets.reader import descriptor_file
from gcsa.datasets.readers import scene_names
from gcsa.datasets.settings import check_own_retrieval
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.errors import InputError, given
from gcsa.locate.answers import read
from gcsa.locate.folders import of_folder
from gcsa.locate.prepared import Prepared
from gcsa.scoring.ranker import pick_device
from gcsa.serve.answering import Answering, opened
from gcsa.serve.app import Patience, Service, app_of
from gcsa.serve.batching import Batcher, Pace
from gcsa.serve.describing import Describer, describer
from gcsa.serve.guard import Guard, checked_token, hosts_of
from gcsa.serve.metrics import Metrics
from gcsa.serve.page import page
from gcsa.serve.server import Address, listening, serve
from gcsa.serve.thumbnails import Thumbnails
from gcsa.serve.uploads import PhotoLimits

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """Everything that a stranger may ask of the service is less than this."""

    pace: Pace = Pace()
    patience: Patience = Patience()
    photos: PhotoLimits = PhotoLimits()
    readers: int = 2


def run(args: argparse.Namespace, token: str | None, overrides: Sequence[str]) -> None:
    """Run the program with what its parser gives."""
    hosts, token = hosts_of(args.host, args.allow_host), checked_token(args.host, token)
    address = Address(args.host, args.port)
    config = load_config(args.conf, overrides)
    if args.folder is not None:
        config = of_folder(config, Path(args.folder), overrides)
    bounds = Bounds(
        Pace(args.batch_size, args.wait_ms / 1000, args.places),
        Patience(args.max_bytes),
        PhotoLimits(args.max_pixels),
        args.workers,
    )
    weights = None if args.weights is None else Path(args.weights)
    made = service(config, args.split, weights, bounds)
    app = Guard(app_of(made, page()), hosts, token, lambda: made.batcher.stopping)
    # Others hear of the port once everything behind it is ready.
    with listening(address) as at:
        name = f"[{args.host}]" if ":" in args.host else args.host
        logger.info("http://%s:%d/ is served; Ctrl-C stops it", name, at.getsockname()[1])
        asyncio.run(serve(app, made.batcher, address, at))


def service(config: Config, split: str, weights: Path | None, bounds: Bounds) -> Service:
    """The service of the scenes that the settings name."""
    check_own_retrieval(config.data, "serve")
    if config.posterior.sequences != "off":
        raise InputError("posterior.sequences: a request is of no sequence; expected off")
    if config.data.heading_convention != "correct":
        raise InputError(
            "data.heading_convention: a request has compass headings; expected correct"
        )
    RESIDENT.limit = int(config.data.memory * 1e9)
    device = pick_device(config.train.device)
    names = scene_names(config.data, split)
    scenes = opened([Prepared(read(config, n, split, False), config, device) for n in names])
    file = given(descriptor_file(config.data, names[0]), "data.desc_fn")
    describes: Describer | None = describer(file, weights, device)
    answering, metrics = Answering(scenes, describes, bounds.photos), Metrics()
    batcher = Batcher(answering.answer, bounds.pace, metrics.batch)
    thumbnails = Thumbnails(config.data, scenes)
    return Service(answering, batcher, metrics, bounds.patience, thumbnails, bounds.readers)
