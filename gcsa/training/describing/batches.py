"""What the ways of choosing batches have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor
from torch.optim import Optimizer


class Step(NamedTuple):
    """images: (n,) rows of the collection. loss: of their descriptors (n, D). size: queries."""

    images: np.ndarray
    loss: Callable[[Tensor], Tensor]
    size: int


class Batches(Protocol):
    """Chooses the images of each step of an epoch. steps: how many there are."""

    steps: int

    def epoch(self, number: int, describe: Callable[[], Tensor]) -> Iterator[Step]:
        """The steps of an epoch. describe: all images' descriptors (N, D), as they are now."""

    @property
    def optimizers(self) -> Sequence[Optimizer]:
        """Those of what is trained besides the network."""

    def state(self) -> Any:
        """What a resumed run needs."""

    def load_state(self, state: Any) -> None: ...
