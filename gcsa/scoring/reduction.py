"""Shorter descriptors: fitted on databases, measured by what the first round still finds, written.

Whitened principal axes are ordered, so that one fit serves every length: the first numbers of a
reduced descriptor, brought to unit length, are the descriptor reduced to so many.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gcsa.config import Config
from gcsa.datasets.reader import descriptor_file
from gcsa.datasets.readers import reader, scene_names
from gcsa.datasets.settings import SPLITS, DataConfig
from gcsa.descriptors import pca, quantisation, whitening
from gcsa.descriptors.codes import write_codes
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.quantisation import Codebooks
from gcsa.descriptors.whitening import Whitening
from gcsa.descriptors.writing import write_features
from gcsa.errors import InputError
from gcsa.evaluation.metrics import KS
from gcsa.evaluation.truth import Truth
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet
from gcsa.scoring.report import Report, judging, report
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation

logger = logging.getLogger(__name__)

# Images whose descriptors are reduced at a time.
BLOCK = 8192
# Descriptors that codebooks are fitted on: 250 for each centre.
SAMPLE = 64_000


@dataclass(frozen=True, eq=False)
class Reduction:
    """What makes descriptors shorter. fitted: its axes hold the power of their variances already.

    numbers: how many are left. codebooks: of these, where they are kept as codes.
    """

    fitted: Whitening
    numbers: int
    codebooks: Codebooks | None = None

    def __call__(self, descriptors: np.ndarray) -> np.ndarray:
        """Descriptors (n, D) reduced, (n, numbers) float32 of unit length."""
        return self.fitted.apply(descriptors, power=0, dims=self.numbers)

    def read_back(self, descriptors: np.ndarray) -> np.ndarray:
        """What is read of reduced descriptors once they are kept, (n, numbers) float16."""
        rows = [np.empty((0, self.numbers), dtype=np.float16)]
        for block in blocks(descriptors):
            short = self(block)
            if self.codebooks is not None:
                short = self.codebooks.decode(self.codebooks.encode(short))
            rows.append(short.astype(np.float16))
        return np.concatenate(rows)

    @property
    def size(self) -> int:
        """Bytes of a descriptor."""
        return 2 * self.numbers if self.codebooks is None else len(self.codebooks.centres)

    @property
    def words(self) -> str:
        coded = "" if self.codebooks is None else " as codes"
        return f"{self.numbers} numbers{coded}, {self.size} bytes"


def blocks(descriptors: np.ndarray) -> Iterator[np.ndarray]:
    """Descriptors (n, D), some at a time."""
    for start in range(0, len(descriptors), BLOCK):
        yield np.asarray(descriptors[start : start + BLOCK])


def fit(
    config: Config, numbers: Sequence[int], codes: Sequence[int], power: float, seed: int = 0
) -> list[Reduction]:
    """Reductions to each of ``numbers``, and of the last to codes as well.

    Fitted on the databases of the training scenes; where there are none, of all.
    """
    sets = _databases(config.data)
    length = sets[0].descriptors.shape[1]
    for number in numbers:
        if not 1 <= number <= length:
            raise InputError(
                f"--numbers: {number} is not from 1 to the {length} of {_file(config)}"
            )
    sample = pca.sample(sets, np.random.default_rng(seed))
    if len(sample) <= max(numbers):
        raise InputError(f"--numbers: {len(sample)} images do not fit {max(numbers)} axes")
    fitted = whitening.fit(sample, max(numbers)).scaled(power)
    made = [Reduction(fitted, number) for number in numbers]
    if codes:
        short = made[-1](sample[:SAMPLE])
        made += [replace(made[-1], codebooks=quantisation.fit(short, m, seed)) for m in codes]
    return made


def measure(
    config: Config, split: str, made: Sequence[Reduction], device: torch.device
) -> dict[str, Report]:
    """What the first round finds with the descriptors as they are, and by each reduction."""
    config = judging(config, split)
    reports: dict[str, list[JudgedScene]] = {}
    for name in scene_names(config.data, split):
        scene, truth = reader(config.data).read(config.data, name, split)
        if not isinstance(truth, Truth):
            raise InputError(f"{name}: has no truth that a rule could judge by")
        length = scene.database.descriptors.shape[1]
        ways = {f"{length} numbers, {2 * length} bytes, as they are": scene}
        for reduction in made:
            database, queries = (
                replace(part, descriptors=reduction.read_back(part.descriptors))
                for part in (scene.database, scene.queries)
            )
            ways[reduction.words] = replace(scene, database=database, queries=queries)
        for words, changed in ways.items():
            found = retrieve(changed, max(KS), device)
            judged = JudgedScene(
                changed, found, SideInformation(changed, (), config.fov), None, truth
            )
            reports.setdefault(words, []).append(judged)
    return {
        words: report(config, split, scenes, [judged.candidates for judged in scenes])
        for words, scenes in reports.items()
    }


def write(config: Config, made: Reduction, name: str) -> list[Path]:
    """Write the reduced descriptors of all scenes to files ``name`` beside theirs, and the matrix.

    The matrix is kept beside the first, as gcsa extract --whiten takes it.
    """
    written = []
    for scene in _scenes(config.data):
        source = descriptor_file(config.data, scene)
        assert source is not None  # _databases has read it
        pack, target = open_pack(source, config.data.normalise), source.with_name(name)
        if target == source:
            raise InputError(f"--output: {name} is the file that is read (data.desc_fn)")
        names, rows = pack.names, (made(block) for block in blocks(pack.array))
        if made.codebooks is None:
            write_features(target, names, (row for block in rows for row in block))
        else:
            write_codes(target, names, rows, made.codebooks)
        logger.info("%s: %d images, %s", target, len(names), made.words)
        written.append(target)
    matrix = written[0].with_name(f"{Path(name).stem}.whitening.npz")
    cut = Whitening(made.fitted.mean, made.fitted.components[: made.numbers])
    cut.save(matrix)
    logger.info("%s: the matrix", matrix)
    return written


def _file(config: Config) -> str:
    return f"data.desc_fn={config.data.desc_fn}"


def _scenes(data: DataConfig) -> list[str]:
    """The scenes of all splits, each once."""
    found: dict[str, None] = {}
    for split in SPLITS:
        found |= dict.fromkeys(_of_split(data, split))
    return list(found)


def _of_split(data: DataConfig, split: str) -> list[str]:
    known = getattr(data, f"{split}_scenes") or reader(data).scenes[split]
    return scene_names(data, split) if known else []


def _databases(data: DataConfig) -> list[ImageSet]:
    """The databases to fit on."""
    if not data.desc_fn or Path(data.desc_fn).suffix not in (".h5", ".hdf5"):
        raise InputError(f"data.desc_fn: '{data.desc_fn}', expected an HDF5 file of descriptors")
    for splits in (("train",), ("val", "test")):
        found = [
            reader(data).read(data, scene, split)[0].database
            for split in splits
            for scene in _of_split(data, split)
        ]
        if found:
            return found
    raise InputError("data.val_scenes: empty, expected the names of scenes")
