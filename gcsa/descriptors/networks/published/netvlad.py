"""The NetVLAD family: VGG16 and 64 clusters."""

from __future__ import annotations

from gcsa.descriptors.networks.preprocessing import CAFFE, CAFFE_MEAN, Normalise, Resize
from gcsa.descriptors.networks.published.row import (
    DRIVE,
    GITHUB,
    HUGGING,
    MEGALOC,
    MSLS,
    README,
    Published,
)

HLOC = "https://cvg-data.inf.ethz.ch/hloc/netvlad"
PITTS = "Pittsburgh (Google Street View)"
HLOC_SIZE = Resize(longest=1024, filter="area")
VGA = Resize(exactly=(480, 640))
OPENIBL = Normalise(CAFFE_MEAN, (1.0, 1.0, 1.0), 255.0)

NETVLAD = (
    Published(
        "NetVLAD Pitts30K",
        "hloc-netvlad",
        "VGG16",
        (4096, 32768),
        "VGG16-NetVLAD-Pitts30K.mat",
        f"{HLOC}/Pitts30K_struct.mat",
        "MIT",
        PITTS,
        HLOC_SIZE,
        CAFFE,
        f"Pitts30k 85.0, MSLS-val 54.5, Tokyo 24/7 69.8 ({MEGALOC})",
        hints=("pitts",),
    ),
    Published(
        "NetVLAD TokyoTM",
        "hloc-netvlad",
        "VGG16",
        (4096, 32768),
        "VGG16-NetVLAD-TokyoTM.mat",
        f"{HLOC}/TokyoTM_struct.mat",
        "MIT",
        "Tokyo Time Machine (Google Street View)",
        HLOC_SIZE,
        CAFFE,
        hints=("tokyo",),
    ),
    Published(
        "SARE",
        "hloc-netvlad",
        "VGG16",
        (4096, 32768),
        "a .mat, to be turned into structs",
        f"{DRIVE}/1riu7rJEH4Eh5vhQ_tM8dBtUfwhKilqhq",
        "none stated",
        PITTS,
        HLOC_SIZE,
        CAFFE,
        "Pitts30k-val 89 (its paper)",
        hints=("sare",),
    ),
    Published(
        "pytorch-NetVlad",
        "pytorch-netvlad",
        "VGG16",
        (32768,),
        "model_best.pth.tar",
        f"{DRIVE}/17luTjZFCX639guSVy00OUtzfTQo4AMF2",
        "none stated",
        PITTS,
        figures=f"Pitts30k 85.2 ({README})",
    ),
    Published(
        "OpenIBL SFRS",
        "openibl",
        "VGG16",
        (4096, 32768),
        "vgg16_netvlad.pth",
        f"{GITHUB}/yxgeee/OpenIBL/releases/tag/v0.1.0-beta",
        "MIT",
        PITTS,
        VGA,
        OPENIBL,
        f"Pitts250k 90.7, Tokyo 24/7 85.4 ({README})",
    ),
    *(
        Published(
            f"Patch-NetVLAD {data}, global part",
            "patch-netvlad",
            "VGG16",
            (128, 512, 4096),
            f"{data}_WPCA{{length}}.pth.tar",
            f"{HUGGING}/TobiasRobotics/Patch-NetVLAD",
            "MIT",
            trained,
            VGA,
            hints=(data,),
        )
        for data, trained in (("mapillary", MSLS), ("pitts", PITTS))
    ),
)
