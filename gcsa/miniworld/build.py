"""Generate a miniworld: plan, render, describe, in that order, with any number of processes."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gcsa.descriptors.writing import write_features
from gcsa.errors import InputError
from gcsa.files import write_text
from gcsa.miniworld.crew import Crew
from gcsa.miniworld.extractor import Extractor, learn, read_images
from gcsa.miniworld.msls import write_city_role
from gcsa.miniworld.plan import CENTRES, SIZES, VERSION, Size, random_of
from gcsa.miniworld.render import drive_random, is_saved, render_drive, save_drive
from gcsa.miniworld.world import ROLES, scene_of

BATCH = 32  # images described at once; fixed, so that sums are formed alike in every run
LEARN_FROM = 1500  # training images at most


def generate(
    out: str | Path,
    size: str = "tiny",
    seed: int = 0,
    workers: int | None = None,
    force: bool = False,
    test_truth: bool = True,
) -> dict:
    """Write a miniworld under `out` and return the contents of its miniworld.json.

    A finished world of the same size, seed and version is left alone; an interrupted one is
    continued. `workers` is the number of processes (default: all cores); it never changes the
    result. `force` replaces another miniworld in the folder. With `test_truth` off, the test
    cities lack raw.csv and postprocessed.csv, as in the first release of MSLS.

    Raises InputError for an unknown size, less than one worker, or where something else is in
    the way.
    """
    if size not in SIZES:
        raise InputError(f"unknown size {size!r}; choose one of {', '.join(SIZES)}")
    workers = os.cpu_count() or 1 if workers is None else workers
    if workers < 1:
        raise InputError(f"the number of workers must be at least 1, not {workers}")
    out, spec = Path(out), SIZES[size]
    wanted = {"size": size, "seed": seed, "version": VERSION, "test_truth": test_truth}
    finished = _settle(out, spec, wanted, force)
    if finished:
        print(f"{out} already holds this miniworld (size {size}, seed {seed})")
        return finished
    with Crew(workers) as crew:
        keys = write_cities(out, spec, seed, test_truth, crew)
        _describe(out, spec, seed, keys, crew)
    world = wanted | {
        "cities": _cities(spec),
        "counts": {c: {r: len(keys[c, r]) for r in ROLES} for c in spec.cities},
        "descriptor": {"name": "global-feats-miniworld", "dim": spec.dim},
    }
    write_text(out / "miniworld.json", json.dumps(world, indent=1) + "\n")
    (out / "miniworld.partial.json").unlink()
    return world


def city_folder(out: Path, spec: Size, city: str) -> Path:
    """Folder of a city."""
    return _folder(out, "test" if city in spec.test else "train", city)


def _folder(out: Path, split: str, city: str) -> Path:
    """Test cities lie apart, validation cities beside the training ones."""
    return out / "datasets" / "msls" / ("test" if split == "test" else "train_val") / city


def feature_file(out: Path, city: str) -> Path:
    """HDF5 file with the descriptors of a city."""
    return out / "outputs" / "msls" / city / "global-feats-miniworld.h5"


def _cities(spec: Size) -> dict[str, list[str]]:
    return {split: list(getattr(spec, split)) for split in ("train", "val", "test")}


def _settle(out: Path, spec: Size, wanted: dict, force: bool) -> dict | None:
    """Return the finished world if it is the wanted one; else make way for it."""
    for name in ("miniworld.json", "miniworld.partial.json"):
        path = out / name
        if not path.exists():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        if not force and all(found.get(k) == v for k, v in wanted.items()):
            return found if name == "miniworld.json" else None
        if not force:
            held = ", ".join(f"{k} {found.get(k)}" for k in wanted)
            raise InputError(f"{out} holds another miniworld ({held}); --force replaces it")
        _remove(out, found["cities"])
        path.unlink()
    for city in spec.cities:
        for path in (city_folder(out, spec, city), feature_file(out, city)):
            if path.exists():
                raise InputError(f"{path} exists and is not part of a miniworld")
    plan = wanted | {"cities": _cities(spec)}
    write_text(out / "miniworld.partial.json", json.dumps(plan) + "\n")
    return None


def _remove(out: Path, cities: dict[str, list[str]]) -> None:
    for split, names in cities.items():
        for city in names:
            shutil.rmtree(_folder(out, split, city), ignore_errors=True)
            feature_file(out, city).unlink(missing_ok=True)


def write_cities(out, spec, seed, test_truth, crew) -> dict[tuple[str, str], list[str]]:
    """Render all drives and write the CSV files; returns the keys by city and role."""
    tasks, keys = [], {}
    for city in spec.cities:
        scene = scene_of(city, spec, seed)
        for role in ROLES:
            folder, drives = city_folder(out, spec, city) / role, scene.drives[role]
            (folder / "images").mkdir(parents=True, exist_ok=True)
            keys[city, role] = write_city_role(
                folder,
                drives,
                role,
                CENTRES[city],
                labelled=city not in spec.train,
                random=random_of(seed, "sensors", scene.number, role),
                with_truth=test_truth or city not in spec.test,
            )
            tasks += [(city, role, i, spec, seed, folder / "images") for i in range(len(drives))]
    with tqdm(total=sum(map(len, keys.values())), desc="render", unit="image", disable=None) as bar:
        for count in crew.run(render_task, tasks):
            bar.update(count)
    return keys


def render_task(city: str, role: str, number: int, spec: Size, seed: int, folder: Path) -> int:
    """Render and save one drive, unless that is done; returns the number of images."""
    scene = scene_of(city, spec, seed)
    drive = scene.drives[role][number]
    if not is_saved(drive, folder):
        random = drive_random(seed, scene.number, role, drive)
        save_drive(drive, folder, render_drive(drive, scene.city, scene.library, spec, random))
    return len(drive)


def _describe(out, spec, seed, keys, crew) -> None:
    """Learn the descriptor on the training cities and describe the images of all."""
    paths = {
        (city, role): [city_folder(out, spec, city) / role / "images" / f"{k}.jpg" for k in names]
        for (city, role), names in keys.items()
    }
    todo = [c for c in spec.cities if not feature_file(out, c).exists()]
    if not todo:
        return
    training = [p for pair in paths if pair[0] in spec.train for p in paths[pair]]
    (extractor,) = crew.run(learn_task, [(training, spec, seed)])
    total = sum(len(paths[c, r]) for c in todo for r in ROLES)
    with tqdm(total=total, desc="describe", unit="image", disable=None) as bar:
        for city in todo:
            ours = [p for role in ROLES for p in paths[city, role]]
            batches = [(extractor, ours[i : i + BATCH], spec) for i in range(0, len(ours), BATCH)]
            parts = []
            for part in crew.run(describe_task, batches):
                parts.append(part)
                bar.update(len(part[1]))
            names = [f"{role}/images/{key}.jpg" for role in ROLES for key in keys[city, role]]
            descriptors, sizes = (np.concatenate(p) for p in zip(*parts, strict=True))
            write_features(feature_file(out, city), names, descriptors, sizes)


def learn_task(training: list[Path], spec: Size, seed: int) -> Extractor:
    """Learn the descriptor from a sample of the training images."""
    random = random_of(seed, "extractor")
    chosen = np.sort(random.permutation(len(training))[:LEARN_FROM])
    images = read_images([training[i] for i in chosen], spec.width, spec.height)
    return learn(images, spec.dim, spec.vocabulary, random)


def describe_task(extractor: Extractor, paths: list[Path], spec: Size):
    """Return descriptors (B, D) and sizes (B, 2) of a batch of images."""
    sizes = []
    for path in paths:
        with Image.open(path) as image:
            sizes.append(image.size)
    return extractor(read_images(paths, spec.width, spec.height)), np.array(sizes)
