"""The order of the house: a wing imports only wings above it; README's "Layout" is the card."""

from __future__ import annotations

import graphlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from house import imports, modules, room  # noqa: E402

# From the files on disk to the programs: reading down is the way of the data.
WINGS = {
    "words": "what all speak: errors, files, scenes",
    "sideinfo": "what else is known of a photo",
    "descriptors": "looks, as numbers",
    "local": "what two photos show of the same surfaces: local features, matched and verified",
    "models": "networks that re-rank",
    "ranking": "lists: retrieved, cut into batches, refined",
    "places": "where a query was taken: evidence weighed into a posterior, and calibrated",
    "rerankers": "re-ranking without training, a method a file",
    "losses": "what training makes small, a loss a file",
    # Above this line scores are computed, and nobody knows what is true.
    "evaluation": "what is true, and what is measured",
    "datasets": "files to scenes and their truth",
    "scoring": "what programs share: a split ranked, a checkpoint opened, figures",
    "plots": "pictures",
    "training": "from lists, or photos, to weights",
    "localization": "where the camera was",
    "programs": "thin: parse, assemble, report",
    "miniworld": "the synthetic world in the real formats; nothing imports it",
}
WORDS = "errors options written faces files imaging distributed scene _kernels".split()
# config, the settings of all sections together, stands where scoring does.
ROOMS = {**dict.fromkeys(WORDS, "words"), "config": "scoring"}
# Usable without torch: from a file on disk to a figure.
NUMPY_ALONE = ("sideinfo", "evaluation", "datasets", "descriptors.hdf5", "descriptors.packing")

ORDER = list(WINGS)
MODULES = modules(ROOT / "gcsa")
FIRST_TO_KNOW = ORDER.index("evaluation")


def wing(module: str) -> str:
    """The wing of a module: its folder, or what ROOMS says; any other room is a program."""
    name = room(module)
    return ROOMS.get(name, name if name in WINGS else "programs")


def reachable(module: str) -> set[str]:
    found, todo = set(), [module]
    while todo:
        new = (imports(MODULES[todo.pop()]) & set(MODULES)) - found - {"gcsa"}
        found |= new
        todo += new
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_wing_imports_only_wings_above_it(module):
    place = ORDER.index(wing(module))
    own = imports(MODULES[module]) & set(MODULES) - {"gcsa"}
    assert not [m for m in own if ORDER.index(wing(m)) > place]
    assert wing(module) == "miniworld" or not [m for m in own if wing(m) == "miniworld"]


def test_no_module_needs_itself():
    graph = {module: imports(path) & set(MODULES) for module, path in MODULES.items()}
    # The face of a folder may show what its modules hold.
    graph = {m: {i for i in found if not f"{m}.".startswith(f"{i}.")} for m, found in graph.items()}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_truth_is_out_of_reach_of_scores():
    scorers = [m for m in MODULES if ORDER.index(wing(m)) < FIRST_TO_KNOW]
    assert len(scorers) > 30
    assert not {m for m in scorers if "gcsa.evaluation.truth" in reachable(m)}


@pytest.mark.parametrize("part", NUMPY_ALONE)
def test_no_torch_where_numpy_suffices(part):
    inside = [m for m in MODULES if m.startswith(f"gcsa.{part}")]
    assert inside
    for name in set(inside).union(*map(reachable, inside)):
        assert not any(i.split(".")[0] == "torch" for i in imports(MODULES[name])), name
