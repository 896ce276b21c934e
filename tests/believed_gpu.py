"""A GPU that is only believed: the CPU computes, and tensors of two devices may not meet.

Within :func:`believed` ``torch.device("cuda", 0)`` is a device like any other. What is made there,
or moved there, is marked; what follows from a marked tensor is marked; ``device`` and ``is_cuda``
say so. As on a GPU, it is an error where a marked tensor meets one of the CPU (but for a single
number), or becomes an array of NumPy. Numbers are the CPU's own, so that results can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
MARK = "_on_believed_gpu"
# What may read across devices: an index of the CPU, and what copies from one to the other.
ACROSS = ("__getitem__", "__setitem__", "copy_", "_has_compatible_shallow_copy_type")
# What leads to the host by itself.
HOST = ("cpu", "numpy", "item", "tolist", "__float__", "__int__", "__bool__", "__array__")


def on_gpu(value: Any) -> bool:
    return isinstance(value, Tensor) and getattr(value, MARK, False)


def marked(value: Any) -> Any:
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            setattr(leaf, MARK, True)
    return value


class _Devices(TorchFunctionMode):
    """Sees every function of torch that is called."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        owner = getattr(getattr(func, "__self__", None), "__name__", "")
        if name == "__get__":
            return self._property(owner, func, args)
        if name == "__set__":
            if owner == "data":
                setattr(args[0], MARK, on_gpu(args[1]))
            return func(*args)
        found = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if name in ("to", "cuda"):
            return self._moved(func, args, kwargs)
        if name in HOST:
            return self._to_host(name, func, args, kwargs)
        if name == "pin_memory":
            return self._pinned(args[0])
        if kwargs.pop("pin_memory", False) and kwargs.get("device") is not None:
            raise RuntimeError("only dense CPU tensors can be pinned")
        asked = kwargs.get("device")
        if asked is not None:
            kwargs["device"] = CPU
        self._check(name, found)
        result = func(*args, **kwargs)
        there = any(map(on_gpu, found)) if asked is None else torch.device(asked).type == "cuda"
        if name in ("__getitem__", "copy_"):
            there = on_gpu(args[0])
        return marked(result) if there else result

    def _property(self, owner: str, func, args):
        if owner == "device":
            return GPU if on_gpu(args[0]) else CPU
        if owner == "is_cuda":
            return on_gpu(args[0])
        result = func(*args)
        return marked(result) if on_gpu(args[0]) and owner in ("grad", "data", "T") else result

    def _moved(self, func, args, kwargs):
        target, there = None, on_gpu(args[0])
        for value in (*args[1:], kwargs.get("device")):
            if isinstance(value, str | torch.device):
                target = torch.device(value)
            elif isinstance(value, Tensor):
                target = GPU if on_gpu(value) else CPU
        if target is not None:
            there = target.type == "cuda"
        plain = tree_map(lambda v: CPU if isinstance(v, str | torch.device) else v, args)
        kwargs = {k: CPU if k == "device" and v is not None else v for k, v in kwargs.items()}
        result = func(*plain, **kwargs)
        if there != on_gpu(result):
            # A copy of its own, which a mark does not follow back to.
            result = result.clone() if result is args[0] else result
            setattr(result, MARK, there)
        return result

    def _pinned(self, tensor: Tensor) -> Tensor:
        if on_gpu(tensor):
            raise RuntimeError("cannot pin a believed cuda:0 tensor")
        return tensor

    def _to_host(self, name, func, args, kwargs):
        if name in ("numpy", "__array__") and on_gpu(args[0]):
            raise TypeError("can't convert a believed cuda:0 tensor to numpy; use .cpu() first")
        result = func(*args, **kwargs)
        if name == "cpu" and on_gpu(args[0]):
            result = result.clone()
            setattr(result, MARK, False)
        return result

    def _check(self, name: str, found: list[Tensor]) -> None:
        if name in ("__getitem__", "__setitem__") and not on_gpu(found[0]):
            if any(map(on_gpu, found[1:])):
                raise RuntimeError(f"{name}: indices on cuda:0, indexed tensor on the cpu")
        if name in ACROSS or not found:
            return
        with torch._C.DisableTorchFunction():
            others = [t for t in found if t.dim() > 0]
        if any(map(on_gpu, others)) and not all(map(on_gpu, others)):
            raise RuntimeError(f"{name}: tensors on two devices, cuda:0 and cpu")


@contextmanager
def believed() -> Iterator[None]:
    """Within: a GPU is believed to be there."""
    stream, submit = SimpleNamespace(synchronize=lambda: None), ThreadPoolExecutor.submit
    parameter = torch.nn.Parameter.__new__

    def made(cls, data=None, requires_grad=True):
        new = parameter(cls, data, requires_grad)
        return marked(new) if on_gpu(data) else new

    def within(pool, work, *args, **kwargs):
        def done():
            with _Devices():
                return work(*args, **kwargs)

        return submit(pool, done)

    with (
        mock.patch.object(ThreadPoolExecutor, "submit", within),
        mock.patch.object(torch.nn.Parameter, "__new__", made),
        mock.patch("torch.cuda.is_available", lambda: True),
        mock.patch("torch.cuda.current_device", lambda: 0),
        mock.patch("torch.cuda.is_bf16_supported", lambda: True),
        mock.patch("torch.cuda.synchronize", lambda *_: None),
        mock.patch("torch.cuda.Stream", lambda *_: stream),
        mock.patch("torch.cuda.stream", lambda *_: nullcontext()),
        mock.patch("torch.cuda.default_stream", lambda *_: stream),
        mock.patch("torch.Tensor.record_stream", lambda *_: None),
        _Devices(),
    ):
        yield
