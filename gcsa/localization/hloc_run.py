"""hloc's localisation of the queries of one device: its input files, the call, or the commands.

hloc and pycolmap are optional; hloc cannot be installed from PyPI
(https://github.com/cvg/Hierarchical-Localization). It names its results by parent/basename, which
two sub-sessions may share: the queries are then cut into several lists, one run each.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from gcsa.datasets.hloc import Names
from gcsa.datasets.lamar.records import Camera
from gcsa.errors import MissingFileError, given
from gcsa.localization.hloc_check import check_inputs
from gcsa.localization.hloc_files import read_results, result_names, write_pairs, write_query_list
from gcsa.localization.poses import Poses
from gcsa.ranking.lists import Ranking

MATCHER = "superpoint+lightglue"  # of hloc.match_features


@dataclass(frozen=True)
class HlocInputs:
    """What hloc needs besides our files: a COLMAP model of the map, local features, matches.

    Paths may hold "{scene}"; None where not given.
    """

    reference_sfm: str | None = None
    features: str | None = None
    matches: str | None = None

    @property
    def complete(self) -> bool:
        return None not in (self.reference_sfm, self.features, self.matches)

    def of(self, scene: str) -> HlocInputs:
        """The paths of one scene."""
        values = (self.reference_sfm, self.features, self.matches)
        return HlocInputs(*(v and v.replace("{scene}", scene) for v in values))


@dataclass(frozen=True)
class HlocRun:
    """One call of hloc.localize_sfm: a list of queries, and the file of its results."""

    queries: Path
    pairs: Path
    results: Path


def available() -> bool:
    """Whether hloc and pycolmap can be imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("hloc", "pycolmap"))


def write_inputs(
    folder: Path,
    tag: str,
    names: np.ndarray,
    cameras: Sequence[Camera],
    database: np.ndarray,
    ranking: Ranking,
    num: int,
) -> list[HlocRun]:
    """Write pairs and query lists of some queries; returns the runs of hloc that take them.

    names, cameras: the n queries, row by row of ``ranking``. database: names of its images. tag:
    of the ranking, in the names of the files: pairs_<tag>.txt, results_<tag>.txt. The query list
    with intrinsics, queries.txt, is the same for every ranking.
    """
    pairs = folder / f"pairs_{tag}.txt"
    query, column = np.nonzero(ranking.indices[:, :num] >= 0)
    write_pairs(pairs, names[query], database[ranking.indices[query, column]])
    runs, number = [], _occurrence(result_names(names, parents=1))
    for part in range(number.max(initial=0) + 1):
        rows = np.flatnonzero(number == part)
        end = f"_{part}.txt" if part else ".txt"
        runs.append(HlocRun(folder / f"queries{end}", pairs, folder / f"results_{tag}{end}"))
        write_query_list(runs[-1].queries, names[rows], [cameras[row] for row in rows.tolist()])
    return runs


def commands(runs: Sequence[HlocRun], inputs: HlocInputs, matcher: str = MATCHER) -> list[str]:
    """The shell commands that match the pairs and localise the queries.

    matcher: a configuration of hloc.match_features.
    """
    sfm, features, matches = (
        value or f"<{name}>"
        for name, value in (
            ("COLMAP model of the map", inputs.reference_sfm),
            ("local features, .h5", inputs.features),
            ("matches, .h5", inputs.matches),
        )
    )
    # match_features ignores --matches on its command line; its function does not.
    lines = [
        'python -c "from pathlib import Path; from hloc import match_features as m; '
        f"m.main(m.confs['{matcher}'], Path('{pairs}'), features=Path('{features}'), "
        f"matches=Path('{matches}'))\""
        for pairs in dict.fromkeys(run.pairs for run in runs)
    ]
    return lines + [
        f"python -m hloc.localize_sfm --reference_sfm '{sfm}' --queries '{run.queries}' "
        f"--retrieval '{run.pairs}' --features '{features}' --matches '{matches}' "
        f"--results '{run.results}' --prepend_camera_name"
        for run in runs
    ]


def localize_sfm(runs: Sequence[HlocRun], inputs: HlocInputs, names: np.ndarray) -> Poses:
    """Run hloc; camera-to-world poses (n,) of the images ``names``, missing where it has none.

    The matches must cover the pairs (the first of :func:`commands`). Raises InputError where an
    input file lacks, or what hloc needs in it: :mod:`gcsa.localization.hloc_check`.
    """
    named = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    sfm, features, matches = (Path(given(path, f"--{name}")) for name, path in named.items())
    for path in (sfm, features, matches):
        if not path.exists():
            raise MissingFileError(f"{path}: no such file, which hloc is to read")
    for pairs in dict.fromkeys(run.pairs for run in runs):
        check_inputs(pairs, sfm, features, matches)
    program = importlib.import_module("hloc.localize_sfm")
    for run in runs:
        program.main(
            sfm,
            run.queries,
            run.pairs,
            features,
            matches,
            run.results,
            prepend_camera_name=True,
        )
    return collect(runs, names)


def collect(runs: Sequence[HlocRun], names: np.ndarray) -> Poses:
    """The poses in the results of all runs, row by row of ``names``."""
    poses, number = Poses.missing(len(names)), _occurrence(result_names(names, parents=1))
    for part, run in enumerate(runs):
        rows = np.flatnonzero(number == part)
        found = read_results(run.results, names[rows])
        poses.rotations[rows], poses.positions[rows] = found.rotations, found.positions
    return poses


def _occurrence(names: Names) -> np.ndarray:
    """How many times each name has been there before: (n,) int64."""
    _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    result = np.empty(len(index), dtype=np.int64)
    result[order] = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    return result
