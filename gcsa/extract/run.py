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
    for the descriptors as they are. dtype: float16, as hloc's, or float32.
    """

    whiten: int | Path | None = None
    dtype: str = "float16"


def run(
    jobs: Sequence[Job],
    network: Network,
    made: Recipe,
    effort: Effort,
    kept: Kept,
    device: torch.device,
    beside: Path,
    skip_broken: bool = False,
) -> None:
    """Describe the photos of all jobs, and write their files.

    beside: where the whitening is kept that is fitted on the jobs' photos; one that is there
    already is taken as it is, so that what is added later stays comparable.
    """
    for job in jobs:
        check_sizes(job.photos, network, made.resize, effort.workers)
    found = _known(kept, beside)
    stores = [_store(job, made, kept, found, beside) for job in jobs]
    broken = []
    for job, target in zip(jobs, stores, strict=True):
        broken += extract.describe(job.photos, made, target, effort, device, skip_broken)
    if isinstance(kept.whiten, int) and found is None and distributed.rank() == 0:
        found = _fit(jobs, stores, made, kept.whiten, beside)
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


def _known(kept: Kept, beside: Path) -> Whitening | None:
    """The whitening that is there already."""
    if isinstance(kept.whiten, Path):
        return whitening.load(kept.whiten)
    if kept.whiten is not None and beside.is_file():
        logger.info("%s: the whitening of an earlier call is used again", beside)
        return whitening.load(beside)
    return None


def _store(job: Job, made: Recipe, kept: Kept, found: Whitening | None, beside: Path) -> Store:
    about: dict[str, Any] = {**made.about, "dtype": kept.dtype, "length": made.length}
    if found is not None:
        about["length"] = len(found.components)
    elif isinstance(kept.whiten, int):
        about["length"] = kept.whiten
    path = kept.whiten if isinstance(kept.whiten, Path) else beside
    about["whitening"] = "none" if kept.whiten is None else path.name
    return store(job.output, about, job.roles)


def _fit(
    jobs: Sequence[Job], stores: Sequence[Store], made: Recipe, dims: int, beside: Path
) -> Whitening:
    """Fit a whitening on the jobs' photos, and keep it ``beside``."""
    for target in stores:
        if target.names():
            raise InputError(
                f"{beside}: no such whitening, by which the descriptors of {target.path} were "
                "made; put it back, or remove them"
            )
    share = pca.SAMPLE // max(1, sum(bool(job.fitted) for job in jobs))
    parts = [
        extract.sample(job.fitted, made, target, share)
        for job, target in zip(jobs, stores, strict=True)
        if job.fitted
    ]
    rows = np.concatenate(parts)
    if len(rows) <= dims:
        raise InputError(
            f"--whiten {dims}: {len(rows)} photos are too few for so many numbers; "
            f"--whiten {len(rows) - 1}, or none"
        )
    fitted = whitening.fit(rows, dims).scaled(POWER)
    fitted.save(beside)
    logger.info("%s: whitening to %d numbers, of %d photos", beside, dims, len(rows))
    return fitted
