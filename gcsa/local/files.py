"""hloc's files of local features and matches, read: SuperPoint's, SIFT's, whoever wrote them.

A features file has a group an image, with keypoints (N, 2) and descriptors (D, N); a matches file
one a pair, with matches0 (N,): for each keypoint of the first image the row of its partner, or -1.
(hloc c13273b.)
"""

from __future__ import annotations

import numpy as np

from gcsa.descriptors.objects import find, open_hdf5, read_array
from gcsa.errors import InputError
from gcsa.files import reading
from gcsa.files.lines import PathLike

EXPECTED = "an HDF5 file of hloc"


class LocalFeatures:
    """hloc's local features and matches, two HDF5 files; use it as a context manager.

    matches: None where pairs are matched by whoever reads the features.

    Names may be relative to the scene's folder (``sessions/map/raw_data/...``) or, as lamar
    writes them, to its sessions/. Raises InputError where a file lacks or is no HDF5 file, and
    where what is asked for is not in the file itself.
    """

    def __init__(self, features: PathLike, matches: PathLike | None):
        self._features = open_hdf5(features)
        self._matches = None if matches is None else open_hdf5(matches)
        with reading(features, EXPECTED):
            self._prefix = "" if find(self._features, "sessions") else "sessions/"

    def __enter__(self) -> LocalFeatures:
        return self

    def __exit__(self, *error: object) -> None:
        self._features.close()
        if self._matches is not None:
            self._matches.close()

    @property
    def has_matches(self) -> bool:
        """Whether there is a file of matches."""
        return self._matches is not None

    def has(self, name: str) -> bool:
        """Whether the image has features."""
        return find(self._features, f"{name.removeprefix(self._prefix)}/keypoints") is not None

    def keypoints(self, name: str) -> np.ndarray:
        """(N, 2) float64 pixels of an image, origin at the corner of the image as in COLMAP.

        hloc stores them with the origin at the centre of the first pixel and adds 0.5 when it
        reads; so does this.
        """
        return self._array(name, "keypoints", "(N, 2)").astype(np.float64) + 0.5

    def descriptors(self, name: str) -> np.ndarray:
        """(N, D) of an image, in the digits of the file; InputError where it has none."""
        return self._array(name, "descriptors", "(D, N)").T

    def image_size(self, name: str) -> tuple[int, int]:
        """(width, height) of an image, as the file states it."""
        short, path = name.removeprefix(self._prefix), self._features.filename
        with reading(path, f"image_size (2,) of image '{short}' in {EXPECTED}"):
            found = read_array(self._features, f"{short}/image_size")
            if found is None or found.shape != (2,):
                raise InputError(f"{path}: no image_size of image '{short}'")
            return int(found[0]), int(found[1])

    def _array(self, name: str, what: str, shape: str) -> np.ndarray:
        short, path = name.removeprefix(self._prefix), self._features.filename
        with reading(path, f"{what} {shape} of image '{short}' in {EXPECTED}"):
            found = read_array(self._features, f"{short}/{what}")
            if found is None:
                raise InputError(f"{path}: no {what} of image '{short}'")
            if found.ndim != 2 or (what == "keypoints" and found.shape[1] != 2):
                raise ValueError(f"{what} have shape {found.shape}")
            return found

    def matches(self, name_a: str, name_b: str) -> np.ndarray | None:
        """(m, 2) int64 rows of the keypoints of both images; None where the pair is not there."""
        if self._matches is None:
            return None
        a, b = (n.removeprefix(self._prefix).replace("/", "-") for n in (name_a, name_b))
        for key, columns in ((f"{a}/{b}", [0, 1]), (f"{b}/{a}", [1, 0])):
            with reading(self._matches.filename, f"matches0 (N,) of '{key}' in {EXPECTED}"):
                partner = read_array(self._matches, f"{key}/matches0")
                if partner is not None:
                    if partner.ndim != 1 or partner.dtype.kind not in "iu":
                        raise ValueError(f"matches0 is {partner.dtype} {partner.shape}")
                    first = np.flatnonzero(partner >= 0)
                    return np.stack([first, partner[first].astype(np.int64)], axis=1)[:, columns]
        return None
