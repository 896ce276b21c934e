"""Dropout whose random numbers cost little on a CPU.

torch draws a 32-bit number at 9 ns for each entry, more than what is done with it. Here 16 bits
decide, drawn by NumPy at 0.6 ns; the share that is dropped is right to 1e-5. A GPU keeps torch's.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """x with each entry set to 0 with probability p and the others divided by 1 - p.

    The draw follows from torch's seed. Outside of training x itself.
    """
    if not training or p == 0:
        return x
    if x.device.type != "cpu" or (torch.compiler.is_compiling() and _mask is _draw):
        return functional.dropout(x, p)
    return x * _mask(x.shape, p).to(x.dtype)


def keep_out_of_graphs() -> None:
    """Have torch.compile leave the draw to NumPy; without it, compiled code draws as torch does.

    Not a decorator of the draw: that would import torch's compiler, seconds, in every program.
    """
    global _mask
    _mask = torch.compiler.disable(_draw)


def _draw(shape: torch.Size, p: float) -> Tensor:
    """0 with probability p, else 1 / (1 - p), float32."""
    count = shape.numel()
    seed = int(torch.randint(1 << 62, ()))
    bits = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.uint16)[:count]
    kept = torch.from_numpy(bits >= round(p * (1 << 16))).view(shape)
    return kept.to(torch.float32).mul_(1 / (1 - p))


_mask = _draw
