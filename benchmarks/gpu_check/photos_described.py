"""Photos to descriptors: each backbone with random weights, by the CPU and beside it."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from extraction import draw_photos, drawn, shapes
from networks import CPU
from results import Results

from gcsa.descriptors.extraction import extract
from gcsa.descriptors.extraction.extract import PRECISIONS, Effort
from gcsa.descriptors.extraction.recipes import Reading, recipe
from gcsa.descriptors.extraction.stores import store
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.networks import Network, fused

# A network of each backbone and head, of tests/data/network_tensors.json.gz; (width, height).
BACKBONES = {
    "cosplace_ResNet18_512": (128, 96),
    "mixvpr_4096": (320, 320),
    "boq_resnet50_16384": (384, 384),
    "salad": (322, 322),
    "dir_resnet101_rmac": (160, 128),
    "nanne_vgg16_netvlad": (160, 128),
}
# 1 - cosine: of sums in another order, and of half precision.
SAME, HALF = 1e-5, 2e-2


def check(results: Results, device: torch.device, tiny: bool) -> None:
    """All rows of this file."""
    known = shapes()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, size in list(BACKBONES.items())[: 1 if tiny else None]:
            results.compare(
                f"extraction, {name}",
                "1 - cosine, fp32",
                lambda n=name, s=size: _network(drawn(known[n], folder), s, device),
                SAME,
            )
        network = drawn(known["cosplace_ResNet18_512"], folder)
        whole = _described(network, folder, "cpu", CPU, Effort(batch_size=2))
        for precision in list(PRECISIONS)[: 1 if tiny else None]:
            across = precision == "float32"
            results.compare(
                f"gcsa extract, {precision}",
                "1 - cosine, photos read by threads, batches pinned; against float32",
                lambda p=precision: _apart(
                    whole, _described(network, folder, p, device, Effort(2, 2, p))
                ),
                SAME if across else HALF,
                across,
            )
        if not tiny:
            compiled = Effort(2, 2, "float32", True)
            results.compare(
                "gcsa extract --compile",
                "1 - cosine",
                lambda: _apart(whole, _described(network, folder, "compiled", device, compiled)),
                SAME,
                False,
            )


def _network(network: Network, size: tuple[int, int], device: torch.device) -> float:
    x = torch.rand(2, 3, size[1], size[0], generator=torch.Generator().manual_seed(0))
    found = []
    for where in (CPU, device):
        ready = fused(copy.deepcopy(network).to(where))
        with torch.inference_mode(), extract.exact(where):
            rows = ready(x.to(where).contiguous(memory_format=torch.channels_last))
        found.append(rows.float().cpu().numpy())
    return _apart(*found)


def _described(
    network: Network, folder: Path, name: str, device: torch.device, effort: Effort
) -> np.ndarray:
    photos = draw_photos(folder, 5, (96, 64))
    ready = fused(copy.deepcopy(network).to(device))
    how = recipe(ready, folder / "weights.pth", Reading())
    about = {**how.about, "dtype": "float32", "length": how.length}
    target = store(folder / f"{name}.h5", about)
    target.path.unlink(missing_ok=True)
    extract.describe(photos, how, target, effort, device)
    extract.write(photos, how, target)
    return np.asarray(open_pack(target.path).array, dtype=np.float32)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return float(1 - (a.astype(np.float64) * b).sum(axis=1).min())
