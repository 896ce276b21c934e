"""What a GPU does at the published sizes: descriptors drawn at random, 400,000 of 4096 numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from city import poses
from extraction import drawn, shapes
from machine import clock, peak_gflops, time_on
from results import Results
from training import MODES, measure

from gcsa.descriptors.networks import fused
from gcsa.evaluation.truth import Truth, labels
from gcsa.models.gcsa import GCSA
from gcsa.places.calibration import Calibration
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import ImageSet, Scene
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation, width
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

KINDS = ["positional-db", "heading"]
TRAINING_QUERIES = 500_000  # of MSLS's training cities
GIGA = 1e9


@dataclass(frozen=True)
class Sizes:
    """How large everything is. steps: of training that are timed. chunk: rows drawn at a time."""

    training: int = 400_000
    database: int = 1_400_000
    queries: int = 2048
    length: int = 4096
    proj: int = 512
    output: int = 768
    K: int = 319
    L: int = 127
    steps: int = 30
    photos: int = 32
    product: int = 8192
    chunk: int = 1 << 15


TINY = Sizes(600, 900, 32, 64, 32, 48, 40, 20, 1, 1, 256)
# Networks by what they are called here, and the (height, width) of their photos.
PHOTOS = {
    "ResNet-50": ("cosplace_ResNet50_2048", (480, 640)),
    "DINOv2-B": ("salad", (322, 322)),
    "VGG16": ("nanne_vgg16_netvlad", (768, 1024)),
}


def measure_all(results: Results, device: torch.device, tiny: bool) -> None:
    """All rows of this file."""
    sizes = TINY if tiny or device.type == "cpu" else Sizes()

    @cache
    def limits() -> tuple[float, float]:
        return _limits(sizes, device)

    @cache
    def scene() -> JudgedScene:
        return _scene(sizes, sizes.training, device)

    results.measure(
        "limits",
        "matrix products in bf16, memory read and written",
        lambda: {"TFLOP/s": round(limits()[0] / 1e3, 1), "GB/s": round(limits()[1])},
    )
    steps: dict[str, float] = {}
    for mode, settings in MODES.items():
        results.measure(
            f"training, {mode}",
            f"batches of 32 of {sizes.training:,} x {sizes.length}, bf16, data.on_device",
            lambda m=mode, s=settings: _step(m, s, scene(), sizes, device, limits(), steps),
        )
    results.measure(
        "the MSLS schedule",
        f"10 epochs of stage 1, 5 of stage 2, {TRAINING_QUERIES:,} queries; goal: 15 minutes",
        lambda: _schedule(steps),
    )
    for name, (network, size) in list(PHOTOS.items())[: None if results.gpu else 1]:
        results.measure(
            f"extraction, {name}",
            f"{size[1]} x {size[0]}, batches of {sizes.photos}, float16",
            lambda n=network, s=size: _photos(n, s if results.gpu else (56, 56), sizes, device),
        )
    scene.cache_clear()  # its memory
    results.measure(
        "first round, posterior and GCSA",
        f"{sizes.database:,} database images, {sizes.queries} queries, K {sizes.K}",
        lambda: _answers(_scene(sizes, sizes.database, device), sizes, device),
    )


def _limits(sizes: Sizes, device: torch.device) -> tuple[float, float]:
    """GFLOP/s of a product of matrices in bf16 and GB/s of a copy in memory."""
    peak = peak_gflops(torch.bfloat16, sizes.product, device=device)
    block = torch.zeros(sizes.product**2, dtype=torch.float32, device=device)
    other = torch.empty_like(block)
    seconds = time_on(device, lambda: other.copy_(block), 3)
    return peak, 2 * block.numel() * 4 / seconds / GIGA


def _scene(sizes: Sizes, database: int, device: torch.device) -> JudgedScene:
    """A city whose descriptors are drawn on the device; the lists are found there."""
    random = np.random.default_rng(2)
    at, towards, _ = poses(database, random)
    asked, facing, _ = poses(sizes.queries, random)
    names = [np.char.add(c, np.arange(n).astype(str)) for c, n in
             (("d", database), ("q", sizes.queries))]  # fmt: skip
    known = ImageSet(names[0], _drawn(database, sizes, device), at, towards)
    queries = ImageSet(names[1], _drawn(sizes.queries, sizes, device), None, facing)
    scene, truth = Scene("city", known, queries), Truth(asked, facing)
    candidates = retrieve(scene, max(sizes.K, sizes.L), device, "fp32")
    relevant = labels("fov", scene, truth, candidates.indices, FovConfig())
    relevant[:, 0] = True  # at random nobody's list has what is relevant, and he is not trained on
    side = SideInformation(scene, KINDS, FovConfig())
    return JudgedScene(scene, candidates, side, relevant, truth)


def _drawn(count: int, sizes: Sizes, device: torch.device) -> np.ndarray:
    torch.manual_seed(count)
    rows = np.empty((count, sizes.length), dtype=np.float16)
    for start in range(0, count, sizes.chunk):
        size = min(sizes.chunk, count - start), sizes.length
        part = torch.randn(size, device=device)
        part = torch.nn.functional.normalize(part, dim=1).half()
        rows[start : start + len(part)] = part.cpu().numpy()
    return rows


def _step(
    mode: str,
    settings: list[str],
    scene: JudgedScene,
    sizes: Sizes,
    device: torch.device,
    limits: tuple[float, float],
    steps: dict[str, float],
) -> dict[str, Any]:
    """Milliseconds of a step, of the host beside it, and what share the limits leave."""
    own = [
        f"train.device={device}",
        "train.precision=bf16",
        "data.on_device=true",
        f"model.input_dim={sizes.length}",
        f"model.proj_dim={sizes.proj}",
        f"model.output_dim={sizes.output}",
    ]
    if sizes is TINY:  # the modes name the published numbers of candidates
        own += [f"model.K={sizes.K}", f"model.L={sizes.L}"]
    found = measure([*settings, *own], scene, sizes.steps)
    seconds = steps[mode] = found["seconds"]
    # At the least: descriptors read once, projected ones written and read again.
    rows = found["projected"] * found["queries"]
    moved = rows * (2 * sizes.length + 3 * 4 * sizes.proj) / GIGA
    limit = max(found["gflop"] / limits[0], moved / limits[1])
    return {
        "ms a step": round(1e3 * seconds, 2),
        "of that waiting for the host": f"{found['prepared'] / seconds:.0%}",
        "of the limit": f"{limit / seconds:.0%}",
    }


def _schedule(steps: dict[str, float]) -> dict[str, Any]:
    """Minutes of the published schedule, and with shared projections."""
    found = {}
    for way in ("per-candidate", "shared"):
        each = [steps[f"stage {stage}, {way}"] for stage in (1, 2)]
        batches = TRAINING_QUERIES / 32
        found[f"minutes, {way}"] = round(batches * (10 * each[0] + 5 * each[1]) / 60, 1)
    return found


def _photos(name: str, size: tuple[int, int], sizes: Sizes, device: torch.device) -> dict[str, Any]:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        network = fused(drawn(shapes()[name], Path(folder)).to(device))
    x = torch.rand(sizes.photos, 3, *size, device=device)
    x = x.contiguous(memory_format=torch.channels_last)

    def once() -> object:
        with torch.inference_mode(), torch.autocast(device.type, torch.float16):
            return network(x)

    return {"images/s": round(sizes.photos / time_on(device, once, 3))}


def _answers(scene: JudgedScene, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """Queries a second of each part, and of all together."""
    columns = sum(width(kind, sizes.L) for kind in KINDS)
    model = GCSA(
        *(sizes.length, sizes.proj, sizes.output, sizes.K, sizes.L, 1, 12, columns),
    ).to(device)
    lists = scene.candidates

    def located() -> object:
        rule, given = Rule.of("dist"), (FovConfig(), Calibration(), device)
        return posterior(scene.scene, lists, PosteriorConfig(), rule, *given)

    parts: dict[str, Callable[[], object]] = {
        "first round": lambda: retrieve(scene.scene, lists.indices.shape[1], device, "fp32"),
        "posterior": located,
        "GCSA": lambda: refine(model, scene.scene, lists, scene.side, 32, 8),
    }
    seconds = {name: _once(part, device) for name, part in parts.items()}
    found = {f"queries/s, {name}": round(sizes.queries / s) for name, s in seconds.items()}
    return {**found, "queries/s, all": round(sizes.queries / sum(seconds.values()))}


def _once(part: Callable[[], object], device: torch.device) -> float:
    now = clock(device, threads=2)
    start = now() if device.type != "cpu" else time.perf_counter()
    part()
    return (now() if device.type != "cpu" else time.perf_counter()) - start
