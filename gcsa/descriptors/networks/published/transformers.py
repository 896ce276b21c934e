"""DINOv2, and the networks over it."""

from __future__ import annotations

from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.descriptors.networks.published.row import (
    DRIVE,
    GITHUB,
    GSV,
    HUGGING,
    LVD,
    MEGALOC,
    MSLS,
    README,
    SFXL,
    Published,
)

META = "https://dl.fbaipublicfiles.com/dinov2"
DINO_SIZE = Resize(exactly=(322, 322))

TRANSFORMERS = (
    Published(
        "SALAD",
        "salad",
        "DINOv2-B",
        (8448,),
        "dino_salad.ckpt",
        f"{GITHUB}/serizba/salad/releases/tag/v1.0.0",
        "GPL-3.0",
        f"{LVD}, {GSV}",
        DINO_SIZE,
        figures=f"Pitts30k 92.5, MSLS-val (740) 92.2, Nordland 76.0 ({README})",
        hints=("salad",),
    ),
    Published(
        "CliqueMining",
        "salad",
        "DINOv2-B",
        (8448,),
        "a .ckpt of Lightning",
        f"{DRIVE}/1B06ysb-Wjb4KDcNrl-7pyj1mJve1jqdk",
        "GPL-3.0",
        f"{LVD}, {GSV}, {MSLS}",
        DINO_SIZE,
        figures=f"Pitts30k 92.6, MSLS-val 91.6, Tokyo 24/7 96.8 ({MEGALOC})",
        hints=("clique",),
    ),
    Published(
        "MegaLoc",
        "megaloc",
        "DINOv2-B",
        (8448,),
        "model.safetensors",
        f"{HUGGING}/gberton/MegaLoc",
        "MIT",
        f"{LVD}, {SFXL}, {GSV}, {MSLS}, MegaScenes, ScanNet",
        DINO_SIZE,
        figures=f"Pitts30k 94.1, MSLS-val 91.0, Tokyo 24/7 96.5 ({MEGALOC})",
    ),
    Published(
        "AnyLoc",
        "anyloc",
        "DINOv2-g",
        (49152,),
        "dinov2_vitg14_l31_value_c32_{domain}_c_centers.pt, beside dinov2_vitg14_pretrain.pth",
        f"{GITHUB}/AnyLoc/AnyLoc",
        "BSD-3-Clause",
        LVD,
        Resize(longest=1024, filter="bicubic", multiple=14, cuts=True),
        figures=f"Pitts30k 86.3, MSLS-val 58.7, Tokyo 24/7 87.6 ({MEGALOC})",
    ),
    *(
        Published(
            f"DINOv2-{letter}{' with registers' if registers else ''}, class token",
            "dinov2",
            f"DINOv2-{letter}{' with registers' if registers else ''}",
            (length,),
            f"dinov2_vit{letter.lower()}14{registers}_pretrain.pth",
            f"{META}/dinov2_vit{letter.lower()}14/",
            "Apache-2.0",
            LVD,
            DINO_SIZE,
        )
        for registers in ("", "_reg4")
        for letter, length in (("S", 384), ("B", 768), ("L", 1024), ("g", 1536))
    ),
)
