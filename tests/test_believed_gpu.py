"""The GPU that is only believed refuses what a GPU refuses, and leads where a GPU leads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from believed_gpu import CPU, GPU, believed
from torch import nn

MIXED = {
    "add": lambda a, b: a + b,
    "cat": lambda a, b: torch.cat([a, b]),
    "where": lambda a, b: torch.where(a > 0, a, b),
    "method": lambda a, b: a.maximum(b),
    "in place": lambda a, b: b.add_(a),
    "loss": lambda a, b: nn.functional.mse_loss(a, b),
    "index": lambda a, b: b[a.long()],
    "numpy": lambda a, b: a.numpy(),
    "pinned": lambda a, b: a.pin_memory(),
}


@pytest.mark.parametrize("name", MIXED)
def test_two_devices_do_not_meet(name):
    with believed(), pytest.raises((RuntimeError, TypeError), match="cuda:0"):
        MIXED[name](torch.zeros(3, device="cuda"), torch.zeros(3))


def test_what_is_made_on_it_stays_on_it_until_it_is_moved():
    with believed():
        a, b = torch.arange(3.0, device="cuda"), torch.arange(3)
        for there in (a, a + 1, a * torch.tensor(2.0), a[b], a.sum(), torch.zeros_like(a), b.to(a)):
            assert there.device == GPU and there.is_cuda
        for here in (b, a.cpu(), a.to("cpu"), a.to(CPU), b.to(torch.float16)):
            assert here.device == CPU and not here.is_cuda
        assert a.cpu().numpy().tolist() == [0, 1, 2] and a.device == GPU
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: torch.zeros(2, device=GPU) + 1).result().device == GPU
    assert (torch.zeros(2) + 1).device == CPU


def test_a_network_trains_on_it():
    with believed():
        network = nn.Linear(3, 2).to("cuda")
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        before = network.weight.detach().cpu().clone()
        network(torch.ones(4, 3, device="cuda")).square().sum().backward()
        assert network.weight.grad.device == GPU
        optimizer.step()
        assert network.weight.device == GPU and not torch.equal(before, network.weight.cpu())
        with pytest.raises(RuntimeError, match="two devices"):
            network(torch.ones(4, 3))
