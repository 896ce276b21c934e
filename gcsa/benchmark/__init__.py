"""Every re-ranker on the same candidates of a data set: what it finds, and what that costs.

``gcsa benchmark`` compares the first round, the re-rankers of :mod:`gcsa.rerankers`,
checkpoints, and the fusion of each checkpoint with the first round. Parameters are chosen on
training scenes; the reported split is read for the final figures alone.
"""

from typing import TYPE_CHECKING

from gcsa.faces import face

if TYPE_CHECKING:
    from gcsa.benchmark.compare import benchmark

__all__ = ["benchmark"]

CANDIDATES = 100  # that all re-rank, where no checkpoint says how many
TUNE_QUERIES = 500

__getattr__ = face(__name__, {"benchmark": "compare"})
