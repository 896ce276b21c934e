"""A fused network gives the same descriptors, without batch normalisations."""

import pytest
import torch
from formula import image
from published_files import filled, saved
from torch import nn

from gcsa.descriptors.networks import fused, load_network


@pytest.mark.parametrize("name", [None, "cosplace_ResNet18_512", "mixvpr_128"])
def test_the_same_descriptors(tmp_path, name):
    path = None if name is None else saved(tmp_path / f"{name}.pth", filled(name))
    network = load_network(path)
    size = network.input_size(97, 130)  # odd sides are padded unevenly
    x = network.normalise(image(*size))
    with torch.inference_mode():
        expected = network(x)
        assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
        found = fused(network)(x.contiguous(memory_format=torch.channels_last))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
