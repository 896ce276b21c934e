"""The data sets that the programs know, by the name that a config gives them.

A new data set is a folder with a reader like :mod:`gcsa.datasets.msls` and one line in READERS.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from gcsa.datasets import msls
from gcsa.datasets.folder import scene as folder
from gcsa.datasets.lamar import scene as lamar
from gcsa.datasets.lamar.cameras import rays_of
from gcsa.datasets.lamar.label_files import LabelFile
from gcsa.datasets.lamar.label_rows import find_label_file, labels_of_scene
from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.landmarks import rsfm
from gcsa.datasets.landmarks import scene as revisited
from gcsa.datasets.layouts import LAYOUTS
from gcsa.datasets.reader import COUNTED, Read, Reader, descriptor_file, local_files, with_gps
from gcsa.datasets.settings import SPLITS, DataConfig, check_scene_name
from gcsa.errors import InputError, MissingFileError, given, nearest
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Clusters, Judged, Truth
from gcsa.local.counts import Counts
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.rules import Rule

# Rules that a label file answers, and the word in that file's name.
LABEL_FILES = {"score": "scores", "geometry": "geometry"}
# Landmarks: a "scene" is all images of a data set as one network describes them. This is the
# network of the published figures of CSA.
NETWORK = "gl18-tl-resnet101-gem-w"
REVISITED = ("revisited-easy", "revisited-medium", "revisited-hard")


def _read_msls(config: DataConfig, city: str, split: str) -> tuple[Scene, Truth | None]:
    return msls.read_scene(
        Path(config.root) / "msls",
        city,
        descriptors=descriptor_file(config, city),
        subtask=None if split == "train" else config.subtask,
        query_gps=config.query_gps,
        normalise=config.normalise,
    )


def _msls_protocol(config: DataConfig, split: str) -> str:
    images = "every image" if split == "train" else f"subtask '{config.subtask}'"
    rule = Rule.of(config.val_labels).words.replace(" m", " m (UTM)", 1)
    return (
        f"MSLS{with_gps(config)} {split} cities, {images}, relevant: {rule}. Image to image, no "
        f"panoramas, queries searched in their own city; {COUNTED}"
    )


def _read_lamar(config: DataConfig, name: str, split: str) -> tuple[Scene, Truth | None]:
    scene, truth = lamar.read_scene(
        Path(config.root) / "lamar",
        name,
        split,
        descriptors=descriptor_file(config, name),
        heading_convention=config.heading_convention,
        normalise=config.normalise,
    )
    if not config.radio:
        database, queries = (replace(p, radio=None) for p in (scene.database, scene.queries))
        scene = replace(scene, database=database, queries=queries)
    rule = config.train_labels if split == "train" else config.val_labels
    if truth is not None and rule in LABEL_FILES:
        path = find_label_file(config.labels, name, split, LABEL_FILES[rule])
        content = labels_of_scene(path, scene, split, LABEL_FILES[rule])
        truth = replace(truth, judged=_judged(content, len(scene.database), rule))
    return scene, truth


def _judged(content: LabelFile, database: int, rule: str) -> Judged:
    """A label file as the truth holds it."""
    query, column = np.nonzero(content.labels)
    entries = np.ones(len(query), dtype=bool), (query, content.topk[query, column])
    relevant = csr_array(entries, shape=(len(content.topk), database))
    counts = relevant.sum(axis=1) if content.num_pos is None else content.num_pos
    published = rule == "score" and content.names is None
    return Judged(relevant, np.asarray(counts), content.topk, published)


def _lamar_protocol(config: DataConfig, split: str) -> str:
    files = {
        "score": "by local-feature matches under the true pose (label files)",
        "geometry": "by geometry alone: fields of view 10 m deep overlap by 1/3 (label files)",
    }
    rule = files.get(config.val_labels) or Rule.of(config.val_labels).words
    lists = {
        "labels": "; candidates are those that the label files list",
        "published": "; candidates are those that published label files list, else retrieved",
    }
    listed = lists.get(config.candidates, "") if config.val_labels in LABEL_FILES else ""
    queries = "Queries of phone and HoloLens, camera by camera"
    if split == "train":
        queries = "Queries are the images of the map themselves"
    return (
        f"LaMAR {split}, relevant: {rule}. {queries}, database: the map session of their own "
        f"scene{listed}; {COUNTED}"
    )


def _read_rsfm(config: DataConfig, network: str, split: str) -> tuple[Scene, Truth]:
    root = Path(config.root)
    annotations = root / "annotations" / "retrieval-SfM-120k.pkl"
    if config.desc_fn:
        features = _feature_file(root / "train" / network, ".npz", ".pkl")
        (scene,), clusters = rsfm.read_scenes(annotations, [features], split)
    else:
        names, clusters = rsfm.read_clusters(annotations, split)
        scene = Scene(f"{network}: {split}", ImageSet(names), ImageSet(names))
    unknown = np.full((len(clusters), 2), np.nan)
    return scene, Truth(unknown, clusters=Clusters(clusters, clusters))


def _rsfm_protocol(config: DataConfig, split: str) -> str:
    return (
        f"retrieval-SfM-120k {split}, relevant: of the same 3D model. Each image is a query of all "
        f"the others, as one network describes them; {COUNTED}"
    )


def _read_landmarks(config: DataConfig, network: str, split: str) -> tuple[Scene, ListedTruth]:
    root, name = Path(config.root), config.dataset
    gnd = root / "annotations" / name / f"gnd_{name}.pkl"
    features = None
    if config.desc_fn:
        features = _feature_file(root / "test" / name / network, ".npz", ".pkl")
    others = _feature_file(root / "r1m" / network, ".npy", ".pkl") if config.distractors else None
    scene, truth = revisited.read_scene(gnd, features, others)
    return replace(scene, name=f"{name}: {network}"), truth


def _feature_file(stem: Path, *suffixes: str) -> Path:
    """The first of the files ``stem`` with these suffixes that is there; else the last."""
    files = [stem.with_name(stem.name + suffix) for suffix in suffixes]
    return next((file for file in files if file.is_file()), files[-1])


def _landmarks(*protocols: str) -> Reader:
    def protocol(config: DataConfig, split: str) -> str:
        others = " with R1M" if config.distractors else ""
        return (
            f"{config.dataset}{others}, protocols {', '.join(protocols)}. The whole database is "
            "ranked; the protocols are those of gcsa/evaluation/protocols.py"
        )

    scenes = {"train": [], "val": [NETWORK], "test": [NETWORK]}
    return Reader(scenes, _read_landmarks, protocol, protocols)


def _read_folder(config: DataConfig, name: str, split: str) -> tuple[Scene, Truth | None]:
    return folder.read_scene(
        Path(config.root) / name,
        name,
        descriptors=descriptor_file(config, name),
        radio=config.radio,
        query_gps=config.query_gps,
        normalise=config.normalise,
    )


def _folder_protocol(config: DataConfig, split: str) -> str:
    rule = Rule.of(config.val_labels)
    words = "of the same place (column 'place')" if rule.kind == "cluster" else rule.words
    return (
        f"own images (folder){with_gps(config)} {split}, relevant: {words}. Images of split "
        "'query' are searched in the database of their own scene, where a scene has none each "
        f"image among all others; {COUNTED}"
    )


READERS: dict[str, Reader] = {
    "msls": Reader(
        scenes={
            "train": msls.TRAIN_CITIES,
            "val": msls.VAL_CITIES,
            "test": msls.TEST_CITIES,
        },
        read=_read_msls,
        protocol=_msls_protocol,
    ),
    "lamar": Reader(
        scenes=dict.fromkeys(SPLITS, lamar.SCENES),
        read=_read_lamar,
        protocol=_lamar_protocol,
        cameras=lambda config, name, split: lamar.read_cameras(
            Path(config.root) / "lamar", name, split
        ),
    ),
    "rsfm": Reader(
        scenes={"train": [NETWORK], "val": [NETWORK], "test": []},
        read=_read_rsfm,
        protocol=_rsfm_protocol,
    ),
    "folder": Reader(
        scenes={"train": [], "val": ["."], "test": ["."]},
        read=_read_folder,
        protocol=_folder_protocol,
    ),
    **LAYOUTS,
    "oxford5k": _landmarks("classic"),
    "paris6k": _landmarks("classic"),
    "roxford5k": _landmarks(*REVISITED),
    "rparis6k": _landmarks(*REVISITED),
}


def reader(config: DataConfig) -> Reader:
    """The reader that ``config.dataset`` names."""
    if config.dataset not in READERS:
        hint = nearest(config.dataset, READERS)
        raise InputError(f"data.dataset: no reader '{config.dataset}'{hint}")
    found = READERS[config.dataset]
    return replace(found, read=_with_local(found)) if config.local_fn else found


def _with_local(found: Reader) -> Read:
    """What reads a scene, and the scene knows the local features of its images."""

    def both(config: DataConfig, name: str, split: str) -> tuple[Scene, Truth | ListedTruth | None]:
        scene, truth = found.read(config, name, split)
        features, matches = local_files(config, name)
        features = given(features, "data.local_fn")
        if not features.is_file():
            raise MissingFileError(f"{features}: no such file of local features; gcsa match")
        model, rays = config.local_model, None
        if model == "essential":
            rays = rays_of(_cameras(found, config, name, split))
        return replace(scene, local=Counts(features, matches, model, rays=rays)), truth

    return both


def _cameras(found: Reader, config: DataConfig, name: str, split: str) -> dict[str, Camera]:
    if found.cameras is None:
        raise InputError(
            f"data.local_model: essential needs intrinsics, which {config.dataset} does not give; "
            "expected fundamental or homography"
        )
    return found.cameras(config, name, split)


def scene_names(config: DataConfig, split: str) -> list[str]:
    """The scenes of a split: those that the config lists, or the official ones."""
    if split not in SPLITS:
        raise InputError(f"--split: '{split}' is not a split{nearest(split, SPLITS)}")
    names = list(getattr(config, f"{split}_scenes") or reader(config).scenes[split])
    for name in names:
        check_scene_name(name, f"data.{split}_scenes")
    if not names:
        raise InputError(
            f"data.dataset: {config.dataset} has nothing of its own for the split '{split}', "
            f"data.{split}_scenes must name scenes"
        )
    return names


def in_training_and_validation(config: DataConfig) -> list[str]:
    """The scenes whose images are both trained on and validated on.

    None of LaMAR and retrieval-SfM-120k, whose official splits divide the images of each scene.
    """
    official = reader(config).scenes
    if set(official["train"]) & set(official["val"]):
        return []
    validation = scene_names(config, "val")
    return [name for name in scene_names(config, "train") if name in validation]
