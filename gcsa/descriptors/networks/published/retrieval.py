"""Networks for landmark retrieval: Deep Image Retrieval and cirtorch."""

from __future__ import annotations

from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.descriptors.networks.published.row import GITHUB, README, Published

CMP = "http://cmp.felk.cvut.cz/cnnimageretrieval/data/networks"
LANDMARKS = "Google Landmarks 2018"
CIRTORCH_SIZE = Resize(longest=1024, filter="lanczos")

RETRIEVAL = (
    *(
        Published(
            f"{backbone}-{loss}",
            "dir",
            backbone,
            (2048,),
            f"{file}.pt",
            f"{GITHUB}/naver/deep-image-retrieval",
            "BSD-3-Clause",
            data,
            figures=f"mAP ROxford medium/hard {oxford}, RParis {paris} ({README})",
            hints=hints,
        )
        for backbone, loss, file, data, oxford, paris, hints in (
            (
                "ResNet101",
                "AP-GeM-LM18",
                "Resnet101-AP-GeM-LM18",
                LANDMARKS,
                "66.3/42.5",
                "80.2/60.8",
                ("lm18",),
            ),
            (
                "ResNet101",
                "AP-GeM",
                "Resnet-101-AP-GeM",
                "Landmarks-clean",
                "67.1/42.3",
                "80.3/60.9",
                ("ap-gem",),
            ),
            (
                "ResNet50",
                "AP-GeM",
                "Resnet50-AP-GeM",
                "Landmarks-clean",
                "65.5/41.0",
                "77.6/57.1",
                (),
            ),
            (
                "ResNet101",
                "TL-GeM",
                "Resnet101-TL-GeM",
                "Landmarks-clean",
                "64.5/40.9",
                "78.8/59.2",
                ("tl-gem",),
            ),
            (
                "ResNet101",
                "TL-MAC",
                "Resnet101-TL-MAC",
                "Landmarks-clean",
                "63.3/35.7",
                "76.6/55.5",
                ("tl-mac",),
            ),
        )
    ),
    *(
        Published(
            f"cirtorch {backbone} GeM{'-w' if '-w-' in file else ''} {data}",
            "cirtorch",
            backbone,
            (length,),
            f"{file}.pth",
            f"{CMP}/{folder}{file}.pth",
            "MIT",
            data,
            CIRTORCH_SIZE,
            figures=figures,
            hints=hints,
        )
        for backbone, length, data, folder, file, figures, hints in (
            ("ResNet50", 2048, LANDMARKS, "gl18/", "gl18-tl-resnet50-gem-w-83fdc30", "", ("gl18",)),
            (
                "ResNet101",
                2048,
                LANDMARKS,
                "gl18/",
                "gl18-tl-resnet101-gem-w-a4d43db",
                f"mAP ROxford medium/hard 67.3/44.3, RParis 80.6/61.5, three scales ({README})",
                ("gl18",),
            ),
            (
                "ResNet152",
                2048,
                LANDMARKS,
                "gl18/",
                "gl18-tl-resnet152-gem-w-21278d5",
                "",
                ("gl18",),
            ),
            *(
                (
                    backbone,
                    2048,
                    "SfM-120k",
                    "retrieval-SfM-120k/",
                    f"rSfM120k-tl-{backbone.lower()}-gem-w-{code}",
                    "",
                    ("rsfm120k",),
                )
                for backbone, code in (
                    ("ResNet50", "97bf910"),
                    ("ResNet101", "a155e54"),
                    ("ResNet152", "f39cada"),
                )
            ),
            (
                "VGG16",
                512,
                "SfM-120k",
                "retrieval-SfM-120k/",
                "retrievalSfM120k-vgg16-gem-b4dcdc6",
                "",
                (),
            ),
            (
                "ResNet101",
                2048,
                "SfM-120k",
                "retrieval-SfM-120k/",
                "retrievalSfM120k-resnet101-gem-b80fb85",
                "",
                ("retrievalsfm120k",),
            ),
        )
    ),
)
