"""Images before and in a network: resizing, sizes that it takes, scales, batches, its cost."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from formula import image, tensor
from PIL import Image
from published_files import filled, saved, shapes

from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.body import Takes, Weights
from gcsa.descriptors.networks.flops import flops
from gcsa.descriptors.networks.gem import CosPlace
from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.preprocessing import CAFFE, IMAGENET, Normalise, Resize, resized
from gcsa.descriptors.networks.resnet import ResNet
from gcsa.descriptors.networks.salad import transport
from gcsa.descriptors.networks.vgg16 import vgg16
from gcsa.errors import InputError

RNG = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(
    ("how", "pillow", "off"),
    [
        ("bilinear", Image.Resampling.BILINEAR, 1.01),
        ("lanczos", Image.Resampling.LANCZOS, 1.6),
        ("bicubic", Image.Resampling.BICUBIC, 1.6),
    ],
)
@pytest.mark.parametrize("size", [(31, 50), (100, 140)])
def test_resizing_is_pillows_without_its_rounding(how, pillow, off, size):
    """Smooth pixels, whose overshoot stays in [0, 255]; Pillow rounds to bytes on the way."""
    pixels = (60 + 0.5 * noise(64, 90)).astype(np.uint8)
    known = np.asarray(Image.fromarray(pixels).resize(size[::-1], pillow), dtype=np.float32)
    found = resized(as_tensor(pixels), size, how)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - known).max() < off


def test_resizing_without_antialias_would_be_another_image():
    pixels = as_tensor(noise(64, 90))
    plain = torch.nn.functional.interpolate(pixels, (16, 23), mode="bilinear")
    assert (resized(pixels, (16, 23)) - plain).abs().mean() > 10 / 255


def test_overshoot_of_bicubic_is_kept():
    """Trap: BoQ resizes tensors, which nobody clamps."""
    step = torch.zeros(1, 3, 8, 40)
    step[..., 21:] = 1
    assert resized(step, (8, 30), "bicubic").max() > 1.01


def test_area_of_whole_boxes_is_their_mean():
    x = torch.rand(1, 3, 12, 20)
    boxes = x.unflatten(2, (4, 3)).unflatten(4, (5, 4)).mean(dim=(3, 5))
    torch.testing.assert_close(resized(x, (4, 5), "area"), boxes)


def test_area_of_cut_boxes_is_the_integral():
    """OpenCV's INTER_AREA: a new pixel is the mean of a step function over its box."""
    x = torch.rand(1, 1, 1, 10, dtype=torch.float64)
    found = resized(x, (1, 7), "area")[0, 0, 0]
    integral = np.concatenate([[0], np.cumsum(x[0, 0, 0].numpy())])
    edges = np.interp(np.arange(8) * 10 / 7, np.arange(11), integral)
    np.testing.assert_allclose(found.numpy(), np.diff(edges) * 7 / 10, rtol=1e-12)


def test_area_enlarges_by_interpolation():
    x = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert resized(x, (1, 4), "area").flatten().tolist() == [0, 0.25, 0.75, 1]


@pytest.mark.parametrize(
    ("resize", "image_size", "expected"),
    [
        (Resize(), (481, 641), (481, 641)),
        (Resize(longest=1024), (768, 1024), (768, 1024)),
        (Resize(longest=1024), (3024, 4032), (768, 1024)),
        (Resize(longest=1024), (1000, 333), (1000, 333)),
        (Resize(longest=1024), (5000, 333), (1024, 68)),
        (Resize(longest=1024, multiple=14, cuts=True), (3024, 4032), (756, 1022)),
        (Resize(longest=320, multiple=32), (3024, 4032), (256, 320)),
        (Resize(longest=320, multiple=32), (10, 90), (32, 96)),
        (Resize(exactly=(322, 322)), (3024, 4032), (322, 322)),
    ],
)
def test_sizes(resize, image_size, expected):
    """Trap: the projects shrink images, and never enlarge them to a longest side."""
    height, width = image_size
    assert resize.size(height, width) == expected
    small = tuple(side // 10 for side in image_size)
    if resize.exactly is None and resize.longest is None:
        assert resize(torch.rand(1, 3, *small)).shape[2:] == small


def test_cut_in_the_middle():
    x = torch.arange(30.0).expand(1, 3, 15, 30)
    assert Resize(multiple=14, cuts=True)(x)[0, 0, 0].tolist() == list(range(1, 29))


def test_normalisations():
    """Trap: NetVLAD takes numbers of 0 to 255, RGB, clamped, minus a mean."""
    x = torch.tensor([-0.1, 0.5, 1.2]).reshape(1, 3, 1, 1)
    expected = [0 - 123.68, 127.5 - 116.779, 255 - 103.939]
    np.testing.assert_allclose(CAFFE(x).flatten(), expected, rtol=1e-6)
    expected = [(-0.1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1.2 - 0.406) / 0.225]
    np.testing.assert_allclose(IMAGENET(x).flatten(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("takes", "size", "said"),
    [
        (Takes(), (1, 1), ""),
        (Takes(least=16), (15, 300), "both sides must be 16 or more"),
        (Takes(exactly=(320, 320)), (320, 319), "only 320 x 320"),
        (Takes(multiple=14), (28, 30), "both sides must be multiples of 14"),
        (Takes(multiple=14, cells=65), (126, 112), ""),
        (Takes(multiple=14, cells=65), (112, 112), "64 patches of 14 pixels, it needs 65 or more"),
        (Takes(multiple=14, rounds=True), (8, 20), ""),
        (Takes(multiple=14, rounds=True), (7, 20), "both sides must be 14 or more"),
    ],
)
def test_sizes_that_are_taken(takes, size, said):
    assert takes.why_not(*size) == said


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("w") / "ResNet18_512_cosplace.pth"
    return load_network(saved(path, filled("cosplace_ResNet18_512")))


@pytest.fixture(scope="module")
def mixvpr(tmp_path_factory):
    return load_network(saved(tmp_path_factory.mktemp("w") / "x.ckpt", filled("mixvpr_128")))


def test_a_size_that_cannot_be_taken_is_refused(mixvpr):
    """Trap: MixVPR's places are those of 320 x 320."""
    with pytest.raises(InputError, match="MixVPR 128 cannot take an image of 400 x 300 pixels"):
        mixvpr.check_size(300, 400)
    with pytest.raises(InputError, match="only 320 x 320"):
        mixvpr(torch.rand(1, 3, 300, 400))
    assert mixvpr.input_size(300, 400) == (320, 320)
    assert mixvpr.resize(torch.rand(2, 3, 30, 40)).shape == (2, 3, 320, 320)


def test_a_batch_is_its_images(small):
    x = IMAGENET(torch.cat([image(70, 101), image(70, 101).flip(3)]))
    rows = small(x)
    assert rows.shape == (2, 512) and not rows.requires_grad
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
    for place in range(2):
        torch.testing.assert_close(rows[place], small(x[place, None])[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (33, 65), (47, 91)])
def test_any_size(small, size):
    assert small(torch.rand(1, 3, *size)).isfinite().all()


def test_places_are_normalised_before_gem(small):
    """Trap: CosPlace's GeM sees unit vectors: a louder feature map changes nothing."""
    aggregation = small.body.aggregation
    features = small.body.backbone(IMAGENET(image(64, 96)))
    torch.testing.assert_close(aggregation(features), aggregation(5 * features))


def test_scales_are_averaged(small):
    x = IMAGENET(image(64, 96))
    half = torch.nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear")
    both = small(x) + small(half)
    torch.testing.assert_close(small.multiscale(x, (1, 0.5)), both / both.norm())
    torch.testing.assert_close(small.multiscale(x, (1,)), small(x))


def test_scales_of_cirtorch_without_whitening(tmp_path):
    """Their mean is GeM's own, and a projection learned for several scales follows it."""
    state = {k: v for k, v in filled("cirtorch_vgg16_gem_whiten").items() if "whiten" not in k}
    learned = {
        kind: {"m": RNG.normal(size=(512, 1)), "P": RNG.normal(size=(40, 512))}
        for kind in ("ss", "ms")
    }
    content = {"meta": {"pooling": "gem"}, "state_dict": state}
    plain = load_network(saved(tmp_path / "plain.pth", content))
    content["meta"]["Lw"] = {"retrieval-SfM-120k": learned}
    network = load_network(saved(tmp_path / "retrievalSfM120k-vgg16-gem-b4dcdc6.pth", content))
    assert (plain.length, network.length) == (512, 40)
    x, scales = IMAGENET(image(64, 96)), (1, 0.5)
    pooled = plain.multiscale(x, scales)
    half = torch.nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear")
    cubes = plain(x) ** 3 + plain(half) ** 3
    torch.testing.assert_close(pooled, cubes ** (1 / 3) / (cubes ** (1 / 3)).norm())
    for kind, found, row in (
        ("ms", network.multiscale(x, scales), pooled),
        ("ss", network(x), plain(x)),
    ):
        expected = learned[kind]["P"] @ (row.numpy().T - learned[kind]["m"])
        expected = expected[:, 0] / np.linalg.norm(expected)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("whiten", [True, False])
def test_pca_of_dir(tmp_path, monkeypatch, whiten):
    """Trap: it lies beside the network, and divides by the variances to the power 0.25, or not."""
    kind = type("PCA", (), {"__module__": "sklearn.decomposition.pca"})
    for name in ("sklearn", "sklearn.decomposition", kind.__module__):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(PCA=kind))
    pca = kind()
    pca.mean_, pca.whiten = RNG.normal(size=512), whiten
    pca.components_ = RNG.normal(size=(20, 512))
    pca.explained_variance_ = RNG.uniform(1, 2, 20)
    state = {k: tensor(k, s) for k, s in shapes()["torchvision_resnet18"].items() if k[:2] != "fc"}
    state |= {"adpool.p": torch.tensor([2.5]), "fc.weight": tensor("fc.weight", (512, 512))}
    state["fc.bias"] = tensor("fc.bias", (512,))
    content = {"state_dict": state, "model_options": {}, "pca": {"Landmarks_clean": pca}}
    path = saved(tmp_path / "x.pt", content)
    network, plain = load_network(path), load_network(path, whiten=False)
    assert (network.length, plain.length) == (20, 512)
    x = IMAGENET(image(64, 96))
    expected = (plain(x)[0].numpy() - pca.mean_) @ pca.components_.T
    expected /= pca.explained_variance_ ** (0.25 if whiten else 0)
    np.testing.assert_allclose(network(x)[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_mac_of_dir(tmp_path):
    """Without GeM's p the network takes the maximum; options beside the tensors say it is DIR's."""
    state = {k: tensor(k, s) for k, s in shapes()["torchvision_resnet18"].items() if k[:2] != "fc"}
    state |= {"fc.weight": torch.eye(512), "fc.bias": torch.zeros(512)}
    content = {"state_dict": state, "model_options": {"pooling": "max"}}
    network = load_network(saved(tmp_path / "x.pt", content))
    x = IMAGENET(image(64, 96))
    expected = ResNet.forward(network.body, x).amax(dim=(2, 3))
    torch.testing.assert_close(network(x), expected / expected.norm())


def test_transport():
    """Columns, with the dust's share, are exact; rows nearly so; the dust gets what remains."""
    share = transport(torch.randn(2, 8, 30), torch.tensor(1.0))
    assert share.shape == (2, 8, 30) and (share.sum(dim=1) <= 1 + 1e-5).all()
    np.testing.assert_allclose(share.sum(dim=2), 1, atol=0.2)
    np.testing.assert_allclose(share.sum(dim=(1, 2)), 8, atol=0.3)


def test_flops_of_vgg16():
    """Against the sum over its convolutions: 2 * 9 * in * out * places."""

    class Bare(CosPlace):
        def forward(self, x):
            return self.backbone(x)

    own = {k: torch.empty(s, device="meta") for k, s in shapes()["cosplace_VGG16_512"].items()}
    with torch.device("meta"):
        body = Bare(Weights("x", own))
    network = Network(body, "x", "x", "x", Resize(), Normalise((0,) * 3, (1,) * 3))
    expected, places = 0, 64 * 96
    for layer in vgg16():
        if isinstance(layer, torch.nn.Conv2d):
            expected += 2 * 9 * layer.in_channels * layer.out_channels * places
        elif isinstance(layer, torch.nn.MaxPool2d):
            places //= 4
    assert flops(network, 64, 96) == expected


def test_flops_of_a_transformer():
    """Two products of tokens with each other in each block, and 12 D^2 for each token."""
    from gcsa.descriptors.networks.vlad import ClassToken

    own = {k: torch.empty(s, device="meta") for k, s in shapes()["dinov2_vits14"].items()}
    with torch.device("meta"):
        body = ClassToken(Weights("x", own))
    network = Network(body, "x", "x", "x", Resize(), IMAGENET)
    tokens, width = 1 + 4 * 6, 384
    block = 2 * 12 * width**2 * tokens + 4 * tokens**2 * width
    assert flops(network, 56, 84) == 12 * block + 2 * 3 * 14**2 * width * (tokens - 1)
    with pytest.raises(InputError, match="multiples of 14"):
        flops(network, 56, 85)
