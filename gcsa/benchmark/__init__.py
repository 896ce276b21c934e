"""Every re-ranker on the same candidates of a data set: what it finds, and what that costs.

``python -m gcsa.benchmark`` compares the first round, the re-rankers of :mod:`gcsa.rerankers`,
checkpoints, and the fusion of each checkpoint with the first round. Parameters are chosen on
training scenes; the reported split is read for the final figures alone.
"""

from gcsa.benchmark.compare import benchmark

__all__ = ["benchmark"]
