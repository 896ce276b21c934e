"""Convolutional networks trained for place recognition."""

from __future__ import annotations

from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.descriptors.networks.published.row import (
    DRIVE,
    GITHUB,
    GSV,
    LVD,
    MEGALOC,
    README,
    SFXL,
    Published,
)

COSPLACE = "{}_{{length}}_cosplace.pth"
EIGENPLACES = "{}_{{length}}_eigenplaces.pth"
PLACES = (
    *(
        Published(
            f"CosPlace {backbone}",
            "cosplace",
            backbone,
            lengths,
            COSPLACE.format(backbone),
            f"{GITHUB}/gmberton/CosPlace/releases/tag/v1.0",
            "MIT",
            SFXL,
            figures=f"Pitts30k 90.9, MSLS-val 85.0, Tokyo 24/7 87.3 at 2048 ({MEGALOC})"
            if backbone == "ResNet50"
            else "",
            hints=("cosplace",),
        )
        for backbone, lengths in (
            ("VGG16", (64, 128, 256, 512)),
            ("ResNet18", (32, 64, 128, 256, 512)),
            *((f"ResNet{n}", (32, 64, 128, 256, 512, 1024, 2048)) for n in (50, 101, 152)),
        )
    ),
    *(
        Published(
            f"EigenPlaces {backbone}",
            "cosplace",
            backbone,
            lengths,
            EIGENPLACES.format(backbone),
            f"{GITHUB}/gmberton/EigenPlaces/releases/tag/v1.0",
            "MIT",
            SFXL,
            figures=f"Pitts30k 92.5, MSLS-val 85.9, Tokyo 24/7 93.0 at 2048 ({MEGALOC})"
            if backbone == "ResNet50"
            else "",
            hints=("eigenplaces",),
        )
        for backbone, lengths in (
            ("VGG16", (512,)),
            ("ResNet18", (256, 512)),
            *((f"ResNet{n}", (128, 256, 512, 1024, 2048)) for n in (50, 101)),
        )
    ),
    Published(
        "ConvAP",
        "convap",
        "ResNet50",
        (512, 2048, 4096, 8192),
        "resnet50_ConvAP_{length / 4}_2x2.ckpt",
        "https://drive.google.com/drive/folders/1VYPw9uGD11NgiGFgfWueLt3noJYOIuhL",
        "none stated",
        GSV,
        Resize(exactly=(320, 320)),
        figures=f"Pitts30k 90.5, MSLS-val (740) 83.1, Nordland 42.7 at 8192 ({README})",
    ),
    *(
        Published(
            f"MixVPR {length}",
            "mixvpr",
            "ResNet50",
            (length,),
            f"resnet50_MixVPR_{length}_channels({channels})_rows({rows}).ckpt",
            f"{DRIVE}/{drive}",
            "none stated",
            GSV,
            Resize(exactly=(320, 320), filter="bicubic"),
            figures=f"{figures} ({README})",
        )
        for length, channels, rows, drive, figures in (
            (
                4096,
                1024,
                4,
                "1vuz3PvnR7vxnDDLQrdHJaOA04SQrtk5L",
                "Pitts30k 91.6, MSLS-val (740) 88.2, Pitts250k 94.3",
            ),
            (
                512,
                256,
                2,
                "1khiTUNzZhfV2UUupZoIsPIbsMRBYVDqj",
                "Pitts30k 90.7, MSLS-val (740) 84.1, Pitts250k 93.2",
            ),
            (
                128,
                64,
                2,
                "1DQnefjk1hVICOEYPwE4-CZAZOvi1NSJz",
                "Pitts30k 87.8, MSLS-val (740) 78.5, Pitts250k 88.7",
            ),
        )
    ),
    Published(
        "BoQ ResNet50",
        "boq",
        "ResNet50",
        (16384,),
        "resnet50_16384.pth",
        f"{GITHUB}/amaralibey/Bag-of-Queries/releases/tag/v1.0",
        "MIT",
        GSV,
        Resize(exactly=(384, 384), filter="bicubic"),
        figures=f"Pitts30k 92.4, MSLS-val (740) 91.2, Pitts250k 95.0, Nordland 70.7 ({README})",
    ),
    Published(
        "BoQ DINOv2",
        "boq",
        "DINOv2-B",
        (12288,),
        "dinov2_12288.pth",
        f"{GITHUB}/amaralibey/Bag-of-Queries/releases/tag/v1.0",
        "MIT",
        f"{LVD}, {GSV}",
        Resize(exactly=(322, 322), filter="bicubic"),
        figures=f"Pitts30k 93.7, MSLS-val (740) 93.8, Pitts250k 96.6, Nordland 81.3 ({README})",
    ),
)
