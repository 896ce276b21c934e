"""Section ``data`` of the settings: which images, from where, and how they are cut into batches."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from gcsa.errors import InputError
from gcsa.ranking.index.settings import Searching
from gcsa.sideinfo.radio import UNKNOWN

logger = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
# "published": counter-clockwise from east (+x), although read as clockwise from north (+y).
HEADING_CONVENTIONS = ("correct", "published")
# "published": of label files that name no images, as the published ones, and else searched for.
CANDIDATES = ("search", "labels", "published")
UNKNOWN_RADIO = UNKNOWN


LONGEST_SCENE = 255  # bytes: what file systems allow a folder's name


@dataclass
class DataConfig:
    """Section ``data``: where the images are, and how they are cut into batches."""

    dataset: str = "msls"  # msls | lamar | folder | utm | dbstruct | kapture | roxford5k | ...
    root: str = "datasets"  # holds msls/, lamar/; landmarks: annotations/...; others: the scenes
    photos: str = ""  # where the photos are, if not below data.root: a folder, or a URL (s3://...)
    database_folder: str = ""  # utm, kapture, ...: the database's folder; empty: the layout's own
    query_folder: str = ""  # likewise of the queries: queries (utm), query (kapture), ...
    outputs: str = "outputs"  # the folder that runs are written to, in training/
    descriptors: str = ""  # the folder that holds msls/<city>/<desc_fn>; empty: data.outputs
    labels: str = "data"  # LaMAR: the folder of its label files
    desc_fn: str = "global-feats-netvlad.h5"  # descriptor file of each scene
    local_fn: str = ""  # file of local features (gcsa match), likewise; empty: none are read
    matches_fn: str = ""  # file of their matches, likewise; empty: what is asked for is matched
    local_model: str = "fundamental"  # of matches: fundamental | homography | essential (lamar)
    normalise: bool = False  # bring descriptors to unit length that are not, instead of refusing
    train_scenes: list[str] = field(default_factory=list)  # empty: the official split's
    val_scenes: list[str] = field(default_factory=list)  # of validation, likewise
    test_scenes: list[str] = field(default_factory=list)  # of the test split, likewise
    subtask: str = "all"  # MSLS: images of validation and test; training takes every image
    query_gps: bool = False  # the queries' own GPS readings are evidence: another task
    near_device: int = 50  # database images nearest to a query's device position that join its list
    device_cells: float = 0.0  # search within so many times a device's accuracy; 0: everywhere
    train_labels: str = "fov"  # relevant in training: fov | dist | pose | score | geometry | ...
    val_labels: str = "dist"  # relevant in the metrics, likewise; also dist@10, pose@10,45, cluster
    batch_size: int = 32  # queries of a training step
    num_workers: int = 8  # threads that prepare batches ahead of the model
    memory: float = 8.0  # gigabytes of the mapped descriptor files that may stay resident
    search: str = "auto"  # auto | fp32 | half | faiss: the same; or an index: IVF4096,PQ64
    index_parameters: str = ""  # how an index is searched, by faiss: nprobe=16, efSearch=128
    index_again: int = 4  # of an index: so many times the list are compared again exactly
    index_sample: int = 262144  # database images that an index is trained on
    index_part: int = 1000000  # database images that an index is added at a time
    candidates: str = "search"  # LaMAR: search | labels (its files' topk) | published (of those)
    on_device: bool = False  # keep the training descriptors on the GPU (2 bytes a number)
    radio_dropout: float = 0.0  # share of the heard radio entries dropped in training
    radio: bool = True  # LaMAR, kapture, folder: false reads as if no image had heard any radio
    unknown_radio: str = "zero"  # affinity of images without radio: zero | published (as if far)
    heading_convention: str = "correct"  # LaMAR: correct | published (mirrored)
    distractors: bool = False  # Oxford and Paris: with the million images of R1M

    @property
    def searching(self) -> Searching:
        """How the first round is searched."""
        return Searching(
            self.search,
            self.index_parameters,
            self.index_again,
            self.index_sample,
            self.index_part,
            self.device_cells,
        )


def check_scene_name(name: str, option: str) -> None:
    """InputError where a scene's name is no name of one folder: files are written under it.

    "." is one, the folder of all data itself. option: where the name was given, for the message.
    """
    if name in ("", "..") or not name.isprintable() or {"/", "\\"} & set(name):
        raise InputError(
            f"{option}: {name[:60]!r} is not the name of a scene: a folder, without / and \\"
        )
    if len(name.encode()) > LONGEST_SCENE:
        raise InputError(
            f"{option}: '{name[:60]}...' has {len(name.encode())} bytes, expected at most "
            f"{LONGEST_SCENE}"
        )


def check_own_retrieval(data: DataConfig, program: str) -> None:
    """InputError, or a line, where a program that reads no label files is to take their lists."""
    if data.candidates == "labels":
        raise InputError(
            f"data.candidates=labels: gcsa {program} reads no label files, expected search"
        )
    if data.candidates == "published" and data.dataset == "lamar":
        logger.info("gcsa %s reads no label files: candidates are its own retrieval's", program)
