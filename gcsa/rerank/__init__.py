"""Re-ranking of anyone's own files, without a data set: ``gcsa rerank``.

In: descriptors of queries and database, or matrices of how alike they are, and what else is known
of the images. Out: a pairs file, scores, pictures.
"""

from typing import TYPE_CHECKING

from gcsa.faces import face

if TYPE_CHECKING:
    from gcsa.rerank.files import Inputs
    from gcsa.rerank.outputs import Outputs
    from gcsa.rerank.run import Reranked, rerank

__all__ = ["Inputs", "Outputs", "Reranked", "rerank"]

CANDIDATES, NUM = 100, 20  # images of a query that are re-ranked, and that are written
MEANINGS = ("distance", "similarity")  # of a matrix

__getattr__ = face(
    __name__, {"Inputs": "files", "Outputs": "outputs", "Reranked": "run", "rerank": "run"}
)
