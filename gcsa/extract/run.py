"""The descriptors of all jobs of one call: described, whitened, written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcsa import distributed
from gcsa.descriptors import pca, whitening
from gcsa.descriptors.extraction import extract
from gcsa.descriptors.extraction.decoding import Broken
from gcsa.descriptors.extraction.extract import Effort
from gcsa.descriptors.extraction.recipes import Recipe, check_sizes
from gcsa.descriptors.extraction.stores import Store, store
from gcsa.descriptors.networks import Network
from gcsa.descriptors.whitening import Whitening
from gcsa.errors import InputError
from gcsa.extract.photos import Job

logger = logging.getLogger(__name__)

POWER = 0.25  # of the variances: half way between none and whitening proper


@dataclass(frozen=True)
class Kept:
    """How descriptors are kept. whiten: numbers after whitening, a file of a whitening, or None
    for the descriptors as they are; fewer: or as many as there are photos for. dtype: float16, as
    hloc's, or float32.
    """

    whiten: int | Path | None = None
    dtype: str = "float16"
    fewer: bool = False


def run(
    jobs: Sequence[Job],
    network: Network,
    made: Recipe,
    effort: Effort,
    kept: Kept,
    device: torch.device,
    beside: Path,
    skip_broken: bool = False,
) -> list[Broken]:
    """Describe the photos of all jobs, and write their files; returns those that are broken.

    beside: where the whitening is kept that is fitted on the jobs' photos; one that is there
    already is taken as it is, so that what is added later stays comparable.
    """
    for job in jobs:
        check_sizes(job.photos, network, made.resize, effort.workers)
    found = _known(kept, beside)
    fitting = isinstance(kept.whiten, int) and found is None
    stores = [_store(job, made, kept, None if fitting else _kept_as(made, found)) for job in jobs]
    if fitting:
        _check_new(stores, beside)
    broken = []
    for job, target in zip(jobs, stores, strict=True):
        broken += extract.describe(job.photos, made, target, effort, device, skip_broken)
    if fitting:
        if distributed.rank() == 0:
            _fit(jobs, stores, made, kept, beside)
        distributed.barrier()
        found = whitening.load(beside)
        stores = [_store(job, made, kept, _kept_as(made, found)) for job in jobs]
    finish = None if found is None else lambda row: found.apply(row[None], power=0)[0]
    for job, target in zip(jobs, stores, strict=True):
        count = extract.write(job.photos, made, target, finish)
        logger.info(
            "%s: %d images, %d numbers each, by %s",
            *(target.path, count, target.about["length"], network.name),
        )
    if broken:
        names = ", ".join(photo.name for photo in broken[: extract.SHOWN])
        logger.warning("%d broken photos were passed over: %s", len(broken), names)
    return broken


def _known(kept: Kept, beside: Path) -> Whitening | None:
    """The whitening that is there already."""
    if isinstance(kept.whiten, Path):
        return whitening.load(kept.whiten)
    if kept.whiten is not None and beside.is_file():
        logger.info("%s: the whitening of an earlier call is used again", beside)
        return whitening.load(beside)
    return None


def _kept_as(made: Recipe, found: Whitening | None) -> dict[str, Any]:
    """What is known of descriptors only with their whitening."""
    if found is None:
        return {"length": made.length, "whitening": "none"}
    return {"length": len(found.components), "whitening": found.fingerprint()}


def _store(job: Job, made: Recipe, kept: Kept, as_kept: dict[str, Any] | None) -> Store:
    about = {**made.about, "dtype": kept.dtype, **(as_kept or {})}
    return store(job.output, about, job.roles)


def _check_new(stores: Sequence[Store], beside: Path) -> None:
    """InputError where there are whitened descriptors already, and not what whitened them."""
    for target in stores:
        if target.names():
            raise InputError(
                f"{beside}: no such whitening, by which the descriptors of {target.path} were "
                "made; put it back, or remove them"
            )


def _fit(
    jobs: Sequence[Job], stores: Sequence[Store], made: Recipe, kept: Kept, beside: Path
) -> None:
    """Fit a whitening on the jobs' photos, and keep it ``beside``."""
    share = pca.SAMPLE // max(1, sum(bool(job.fitted) for job in jobs))
    rows = np.concatenate(
        [
            extract.sample(job.fitted, made, target, share)
            for job, target in zip(jobs, stores, strict=True)
            if job.fitted
        ]
    )
    assert isinstance(kept.whiten, int)  # who gives a file fits none
    dims = min(kept.whiten, len(rows) - 1) if kept.fewer else kept.whiten
    if len(rows) <= dims or dims < 1:
        raise InputError(
            f"--whiten {dims}: {len(rows)} photos are too few for so many numbers; "
            f"--whiten {len(rows) - 1}, or none"
        )
    whitening.fit(rows, dims).scaled(POWER).save(beside)
    logger.info("%s: whitening to %d numbers, of %d photos", beside, dims, len(rows))
