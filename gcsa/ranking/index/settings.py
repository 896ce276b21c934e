"""How the first round is searched, as settings say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf

from gcsa.errors import InputError, nearest

EXACT = ("auto", "fp32", "half", "faiss")
# How the names of faiss's indexes begin (its index factory); other words are misspelt choices.
FACTORY = re.compile(
    r"(IVF|IMI|HNSW|NSG|OPQ|PQ|RQ|LSQ|PCA[RW]*|ITQ|RR|Pad|SQ|RaBitQ)[\d_]|(Flat|LSH|L2norm)\b"
)


@dataclass(frozen=True)
class Searching:
    """A way of search, and what an index is made and asked by.

    search: one of EXACT, or the name of an index in faiss's words ("IVF4096,PQ64"). parameters: of
    the index, in faiss's words ("nprobe=64"); without, 64 lists are looked through. again: so many
    times the wanted images are taken from the index and compared again exactly. sample: database
    images that it is trained on. part: images that are added, and written, at a time. seed: of the
    sample. within: queries whose device says where they are are compared with what lies within so
    many times its accuracy, 0: with everything.
    """

    search: str = "auto"
    parameters: str = ""
    again: int = 4
    sample: int = 1 << 18
    part: int = 1_000_000
    within: float = 0.0
    seed: int = 0

    @property
    def by_index(self) -> bool:
        """Whether the search is by an index, which may miss images; the others are exact."""
        return self.search not in EXACT

    def check(self) -> None:
        """Raise InputError, naming the setting, where one cannot be."""
        if self.by_index and not FACTORY.match(self.search):
            hint = nearest(self.search, EXACT)
            raise InputError(
                f"data.search: '{self.search}' is not a choice{hint}, nor an index in faiss's "
                "words (IVF4096,PQ64)"
            )
        least = {"index_again": self.again, "index_sample": self.sample, "index_part": self.part}
        for key, value in least.items():
            if value < 1:
                raise InputError(f"data.{key}: {value} is less than 1")
        if not 0 <= self.within < inf:
            raise InputError(f"data.device_cells: {self.within} is not a number from 0")
