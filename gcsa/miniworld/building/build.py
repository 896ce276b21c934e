"""Generate a world of buildings: plan, write, render, describe, with any number of processes."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gcsa.descriptors.writing import write_features
from gcsa.errors import InputError
from gcsa.files import write_text
from gcsa.miniworld.build import BATCH, describe_task, learn_task
from gcsa.miniworld.building.air import air_of
from gcsa.miniworld.building.capture import write_session
from gcsa.miniworld.building.house import house_of
from gcsa.miniworld.building.plan import SIZES, VERSION, Size
from gcsa.miniworld.building.render import is_saved, render_recording
from gcsa.miniworld.building.sessions import plan_session
from gcsa.miniworld.building.textures import library_of
from gcsa.miniworld.crew import Crew

WIDTH, LEAST_WIDTH = Size.width, 80  # pixels
DONE, PARTIAL = "miniworld-building.json", "miniworld-building.partial.json"


def generate(
    out: str | Path,
    size: str = "tiny",
    seed: int = 0,
    workers: int | None = None,
    force: bool = False,
    width: int = WIDTH,
) -> dict:
    """Write buildings under `out` and return the contents of its miniworld-building.json.

    A finished world of the same size, seed and version is left alone; an interrupted one is
    continued. `workers` is the number of processes (default: all cores); it never changes the
    result. `force` replaces other buildings in the folder. `width`: of the images, in pixels, three
    quarters of which they are high; local features need 320 or more.

    Raises InputError for an unknown size, less than one worker, or where something else is in
    the way.
    """
    if size not in SIZES:
        raise InputError(f"unknown size {size!r}; choose one of {', '.join(SIZES)}")
    workers = os.cpu_count() or 1 if workers is None else workers
    if workers < 1:
        raise InputError(f"the number of workers must be at least 1, not {workers}")
    if width < LEAST_WIDTH or width % 4:
        raise InputError(f"--width: {width} is not a multiple of 4 from {LEAST_WIDTH} on")
    out, spec = Path(out), replace(SIZES[size], width=width, height=width * 3 // 4)
    wanted = {"size": size, "seed": seed, "version": VERSION}
    if width != WIDTH:
        wanted["width"] = width
    finished = _settle(out, spec, wanted, force)
    if finished:
        print(f"{out} already holds these buildings (size {size}, seed {seed})")
        return finished
    with Crew(workers) as crew:
        paths = write_scenes(out, spec, seed, crew)
        describe_scenes(out, spec, seed, paths, crew)
    world = wanted | {
        "scenes": list(spec.scenes),
        "counts": {s: {name: len(p) for name, p in paths[s].items()} for s in spec.scenes},
        "descriptor": {"name": "global-feats-miniworld", "dim": spec.dim},
    }
    write_text(out / DONE, json.dumps(world, indent=1) + "\n")
    (out / PARTIAL).unlink()
    return world


def scene_folder(out: Path, scene: str) -> Path:
    """Folder of a scene; its sessions lie in sessions/."""
    return out / "datasets" / "lamar" / scene


def feature_file(out: Path, scene: str) -> Path:
    """HDF5 file with the descriptors of a scene."""
    return out / "outputs" / "lamar" / scene / "global-feats-miniworld.h5"


def _settle(out: Path, spec: Size, wanted: dict, force: bool) -> dict | None:
    """Return the finished world if it is the wanted one; else make way for it."""
    for name in (DONE, PARTIAL):
        path = out / name
        if not path.exists():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        if not force and all(found.get(k) == v for k, v in wanted.items()):
            return found if name == DONE else None
        if not force:
            held = ", ".join(f"{k} {found.get(k)}" for k in wanted)
            raise InputError(f"{out} holds other buildings ({held}); --force replaces them")
        for scene in found["scenes"]:
            shutil.rmtree(scene_folder(out, scene), ignore_errors=True)
            feature_file(out, scene).unlink(missing_ok=True)
        path.unlink()
    for scene in spec.scenes:
        for path in (scene_folder(out, scene), feature_file(out, scene)):
            if path.exists():
                raise InputError(f"{path} exists and is not part of a miniworld")
    plan = wanted | {"scenes": list(spec.scenes)}
    write_text(out / PARTIAL, json.dumps(plan) + "\n")
    return None


def write_scenes(out, spec: Size, seed, crew: Crew) -> dict[str, dict[str, list[str]]]:
    """Write and render all sessions; returns image paths by scene and session."""
    tasks: list[tuple[Callable[..., int], tuple]] = []
    paths: dict[str, dict[str, list[str]]] = {}
    for scene in spec.scenes:
        paths[scene] = {}
        for session in spec.sessions():
            recordings = plan_session(scene, session, spec, seed)
            paths[scene][session] = [s.path for r in recordings for s in r.shots]
            folder = scene_folder(out, scene) / "sessions" / session
            tasks.append((write_task, (scene, session, spec, seed, folder)))
            for i in range(len(recordings)):
                tasks.append((render_task, (scene, session, i, spec, seed, folder)))
    total = sum(len(p) for sessions in paths.values() for p in sessions.values())
    with tqdm(total=total, desc="render", unit="image", disable=None) as bar:
        for count in crew.run(_call, tasks):
            bar.update(count)
    return paths


def _call(task, arguments) -> int:
    return task(*arguments)


def _has_depth(session: str, spec: Size) -> bool:
    """Labels may compare the depths of the map and of the validation queries."""
    return spec.depth and (session == "map" or session.startswith("query_val"))


def write_task(scene: str, session: str, spec: Size, seed: int, folder: Path) -> int:
    """Write the text files of a session."""
    house, air = house_of(scene, spec, seed), air_of(scene, spec, seed)
    recordings = plan_session(scene, session, spec, seed)
    write_session(folder, house, air, recordings, _has_depth(session, spec), seed)
    return 0


def render_task(scene: str, session: str, number: int, spec: Size, seed: int, folder: Path) -> int:
    """Render and save one recording, unless that is done; returns the number of images."""
    recording = plan_session(scene, session, spec, seed)[number]
    if not is_saved(recording, folder / "raw_data"):
        house, library = house_of(scene, spec, seed), library_of(seed)
        depth = _has_depth(session, spec)
        render_recording(recording, house, library, folder / "raw_data", depth, seed)
    return len(recording.shots)


def describe_scenes(out, spec: Size, seed, paths, crew: Crew) -> None:
    """Learn the descriptor on the map images and describe the images of all sessions."""
    names = {
        scene: [f"sessions/{name}/raw_data/{p}" for name, of in paths[scene].items() for p in of]
        for scene in spec.scenes
    }
    todo = [scene for scene in spec.scenes if not feature_file(out, scene).exists()]
    if not todo:
        return
    prefix = "sessions/map/"
    mapped = [(s, n) for s in spec.scenes for n in names[s] if n.startswith(prefix)]
    training = [scene_folder(out, scene) / name for scene, name in mapped]
    (extractor,) = crew.run(learn_task, [(training, spec, seed)])
    with tqdm(
        total=sum(len(names[s]) for s in todo), desc="describe", unit="image", disable=None
    ) as bar:
        for scene in todo:
            ours = [scene_folder(out, scene) / name for name in names[scene]]
            batches = [(extractor, ours[i : i + BATCH], spec) for i in range(0, len(ours), BATCH)]
            parts = []
            for part in crew.run(describe_task, batches):
                parts.append(part)
                bar.update(len(part[1]))
            descriptors, sizes = (np.concatenate(p) for p in zip(*parts, strict=True))
            write_features(feature_file(out, scene), names[scene], descriptors, sizes)
