"""A module imports only modules above it; truth is out of reach of whatever computes a score."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gcsa"

# From the files on disk to the programs: reading down is the way of the data.
ORDER = """
gcsa gcsa.errors gcsa.files gcsa.pickles gcsa.memory gcsa.dropout gcsa.attention gcsa.hloc
gcsa.hloc.files
gcsa.scene gcsa._kernels gcsa.fov_shapely gcsa.fov gcsa.heading gcsa.radio gcsa.scans
gcsa.truth gcsa.packing gcsa.descriptors gcsa.msls gcsa.msls.scene gcsa.lamar gcsa.lamar.cameras
gcsa.lamar.table gcsa.lamar.records gcsa.lamar.capture gcsa.lamar.scene gcsa.lamar.label_files
gcsa.revisited gcsa.revisited.truth gcsa.revisited.features gcsa.revisited.scene gcsa.rsfm
gcsa.rsfm.scene gcsa.folder gcsa.folder.table gcsa.folder.geodesy gcsa.folder.images
gcsa.folder.scene
gcsa.readers gcsa.distributed gcsa.search gcsa.candidates gcsa.hloc.lists
gcsa.hloc.poses gcsa.affinity gcsa.model gcsa.csa
gcsa.csa.loss gcsa.csa.model gcsa.csa.state gcsa.losses.rows
gcsa.losses.ap gcsa.losses.bins gcsa.losses.dir_ap gcsa.losses.tie_aware_ap gcsa.losses.contrastive
gcsa.losses.sare gcsa.losses.config gcsa.losses gcsa.mining gcsa.metrics gcsa.protocols
gcsa.revisited.figures
gcsa.rerankers.topk gcsa.rerankers.similarity gcsa.rerankers.lists gcsa.rerankers.expansion
gcsa.rerankers.augmentation gcsa.rerankers.k_reciprocal gcsa.rerankers.icfrr
gcsa.rerankers.raw_affinity gcsa.rerankers.diffusion gcsa.rerankers.fusion gcsa.rerankers
gcsa.checkpoint gcsa.table gcsa.batches gcsa.refine gcsa.pca gcsa.whitening
gcsa.prepare gcsa.sampling gcsa.config gcsa.optimisation gcsa.network gcsa.tuples gcsa.trainer
gcsa.run gcsa.evaluate gcsa.pairs gcsa.pairs_from_poses gcsa.pictures
gcsa.folder.from_exif gcsa.folder.from_sfm gcsa.folder.describe
gcsa.plots.style gcsa.plots.strips gcsa.plots.maps gcsa.plots.matrices
gcsa.plots.attention gcsa.plots.curves gcsa.plots.tradeoff gcsa.plots gcsa.trackers
gcsa.train gcsa.msls.test gcsa.lamar.poses gcsa.lamar.hloc_files gcsa.lamar.views
gcsa.lamar.sampson gcsa.lamar.labels gcsa.lamar.pruning gcsa.lamar.rigs gcsa.lamar.hloc_run
gcsa.lamar.localize gcsa.revisited.convert
gcsa.report gcsa.report.charts gcsa.report.runs gcsa.report.outcomes gcsa.report.tables
gcsa.report.maps gcsa.report.rows gcsa.report.page gcsa.report.__main__
gcsa.benchmark.cost gcsa.benchmark.contenders gcsa.benchmark.tuning gcsa.benchmark.tables
gcsa.benchmark.compare gcsa.benchmark gcsa.benchmark.__main__
gcsa.rerank.arrays gcsa.rerank.matrices gcsa.rerank.files gcsa.rerank.outputs gcsa.rerank.run
gcsa.rerank gcsa.rerank.__main__
""".split()
# What a score depends on.
SCORERS = """
gcsa.scene gcsa.fov gcsa.heading gcsa.radio gcsa.candidates gcsa.affinity gcsa.attention gcsa.model
gcsa.csa.model gcsa.checkpoint gcsa.table gcsa.batches gcsa.refine gcsa.pca gcsa.search
gcsa.rerankers.topk gcsa.rerankers.similarity gcsa.rerankers.lists gcsa.rerankers.expansion
gcsa.rerankers.augmentation gcsa.rerankers.k_reciprocal gcsa.rerankers.icfrr
gcsa.rerankers.raw_affinity gcsa.rerankers.diffusion gcsa.rerankers.fusion gcsa.rerankers
gcsa.rerank.matrices
""".split()
# NumPy alone: usable without torch.
NUMPY_ONLY = """
gcsa.scene gcsa.fov gcsa.heading gcsa.radio gcsa.scans gcsa.truth gcsa.descriptors gcsa.metrics
gcsa.msls.scene gcsa.lamar.scene gcsa.protocols gcsa.revisited.scene gcsa.revisited.convert
gcsa.rsfm.scene gcsa.folder.scene gcsa.hloc.files
""".split()


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """Modules imported anywhere in a file, as full names; ``from a import b`` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = modules()
LIBRARY = sorted(m for m in MODULES if not m.startswith("gcsa.miniworld"))


def own_imports(module: str) -> set[str]:
    return imports(MODULES[module]) & set(ORDER) - {"gcsa"}


def test_every_module_has_its_place():
    assert set(LIBRARY) == set(ORDER) - {"gcsa._kernels"}


@pytest.mark.parametrize("module", LIBRARY)
def test_a_module_imports_only_modules_above_it(module):
    below = {m for m in own_imports(module) if ORDER.index(m) >= ORDER.index(module)}
    assert not below - {module}


@pytest.mark.parametrize("module", LIBRARY)
def test_nothing_imports_the_miniworld(module):
    assert not any(name.startswith("gcsa.miniworld") for name in imports(MODULES[module]))


def reachable(module: str) -> set[str]:
    found, todo = set(), [module]
    while todo:
        for name in own_imports(todo.pop()) - found - {"gcsa._kernels"}:
            found.add(name)
            todo.append(name)
    return found


@pytest.mark.parametrize("module", SCORERS)
def test_truth_is_out_of_reach_of_scores(module):
    assert "gcsa.truth" not in reachable(module)


@pytest.mark.parametrize("module", NUMPY_ONLY)
def test_no_torch_where_numpy_suffices(module):
    for name in {module} | reachable(module):
        assert not any(i.split(".")[0] == "torch" for i in imports(MODULES[name])), name
