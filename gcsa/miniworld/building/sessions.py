"""The recordings of a scene: sub-sessions, each with its device, clock, frames and images."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gcsa.miniworld.building.devices import TRACKERS, Lens, camera_place, frame_lens, lens_of
from gcsa.miniworld.building.house import House, house_of
from gcsa.miniworld.building.light import Condition, draw_condition
from gcsa.miniworld.building.plan import STOREYS, Amount, Size
from gcsa.miniworld.building.walks import Walk, tour, wander
from gcsa.miniworld.plan import random_of

SPARE = 8  # of a query recording, every eighth frame is no query
TILES = 4  # of the NavVis trolley


@dataclass(frozen=True)
class Shot:
    """One image of a recording."""

    time: int  # microseconds, on the clock of the sub-session
    sensor: str
    path: str  # relative to raw_data/
    frame: int
    position: np.ndarray  # (3,) metres
    heading: float  # radians
    lens: Lens


@dataclass(frozen=True)
class Recording:
    """One sub-session."""

    name: str
    session: str
    number: int  # within its session
    device: str  # navvis, phone or hololens
    level: int  # storey
    condition: Condition
    start: int  # microseconds of the clock at the start of the walk
    walk: Walk
    wifi: bool
    bluetooth: bool
    shots: list[Shot]
    queries: np.ndarray  # (F,) bool; nothing in the map

    @property
    def times(self) -> np.ndarray:
        """(F,) int64 microseconds of the frames."""
        return self.clock(self.walk.time)

    def clock(self, seconds) -> np.ndarray:
        """Seconds of the walk as int64 microseconds of the clock."""
        return self.start + np.round(np.asarray(seconds) * 1e6).astype(np.int64)


@lru_cache(maxsize=8)
def plan_session(scene: str, session: str, size: Size, seed: int) -> list[Recording]:
    """All recordings of a session, the same in every process."""
    house, amounts = house_of(scene, size, seed), size.sessions()[session]
    planned = [
        (device, amount, i) for device, amount in amounts.items() for i in range(amount.subs)
    ]
    return [
        _record(house, session, number, device, amount, i, size, seed)
        for number, (device, amount, i) in enumerate(planned)
    ]


def _record(house: House, session, number, device, amount: Amount, i, size, seed) -> Recording:
    random = random_of(seed, "building", "recording", house.number, session, number)
    frames = amount.frames // amount.subs + (i < amount.frames % amount.subs)
    is_map = session == "map"
    frames += 0 if is_map else (frames - 1) // (SPARE - 1)
    level = i % STOREYS
    if device == "navvis":
        walk = tour(house, level, frames, random)
    else:
        walk = wander(house, level, device, frames, random)
    silent = _is_silent(house, session, device, i == amount.subs - 1)
    name, start = _name_and_clock(device, session, house, number, random)
    recording = Recording(
        name=name,
        session=session,
        number=number,
        device=device,
        level=level,
        condition=draw_condition(device, "map" if is_map else "query", random),
        start=start,
        walk=walk,
        wifi=not silent,
        bluetooth=not silent and device != "hololens",
        shots=[],
        queries=np.zeros(frames, bool) if is_map else np.arange(frames) % SPARE != SPARE - 1,
    )
    recording.shots.extend(_shots(recording, size, random))
    return recording


def _is_silent(house: House, session: str, device: str, last: bool) -> bool:
    """Some recordings have no radio at all: a phone's in the map, in test, in validation."""
    odd = {("map", "phone"), ("query_phone", "phone")}
    odd |= {("query_val_phone", "phone")} if house.number == 0 else set()
    return last and (session, device) in odd


def _name_and_clock(device, session, house: House, number, random) -> tuple[str, int]:
    """Names as LaMAR's; clocks: Unix time, time since the phone was started, the headset's."""
    day = 1 + 9 * (session != "map") + int(random.integers(9))
    drawn = random.integers((8, 0, 0, 0), (18, 60, 60, 1000))
    hour, minute, second, milli = (int(n) for n in drawn)
    date = f"2022-{4 + house.number:02d}-{day:02d}"
    # The number in the seconds or milliseconds keeps names of one session apart.
    second = (second - second % 10 + number) % 60
    if device == "navvis":
        unix = 1_648_771_200 + 2_592_000 * house.number + 86_400 * day + 3600 * hour
        return f"navvis_{date}_{hour:02d}.{minute:02d}.{second:02d}", unix * 10**6 + milli * 1000
    if device == "phone":
        boot = int(random.integers(10**9, 9 * 10**11))
        return f"ios_{date}_{hour:02d}.{minute:02d}.{second:02d}_000", boot
    stamp = f"{date}-{hour:02d}-{minute:02d}-{second:02d}-{milli:03d}"
    return f"hl_{stamp}", int(random.integers(2 * 10**7, 4 * 10**8))


def _shots(recording: Recording, size: Size, random: np.random.Generator) -> list[Shot]:
    take = {"navvis": _tiles, "phone": _phone, "hololens": _rig}[recording.device]
    return take(recording, size, random)


def _frames(recording: Recording):
    walk = recording.walk
    times = (int(t) for t in recording.times)
    return enumerate(zip(times, walk.position, walk.heading, strict=True))


def _tiles(recording: Recording, size: Size, random) -> list[Shot]:
    sub, shots = recording.name, []
    lenses = [lens_of("navvis", size.width, size.height, random) for _ in range(TILES)]
    for frame, (time, position, heading) in _frames(recording):
        for k, lens in enumerate(lenses):
            path, turned = f"{sub}/images/{time}-cam{k}.jpg", heading + k * np.pi / 2
            shots.append(Shot(time, f"{sub}/cam{k}", path, frame, position, turned, lens))
    return shots


def _phone(recording: Recording, size: Size, random) -> list[Shot]:
    """Odd recordings have one sensor a frame, as the intrinsics change; others share one."""
    sub, shots = recording.name, []
    shared = lens_of("phone", size.width, size.height, random)
    for frame, (time, position, heading) in _frames(recording):
        sensor, lens = f"{sub}/cam_phone", shared
        if recording.number % 2:
            sensor, lens = f"{sensor}_{time}", frame_lens(shared, random)
        shots.append(Shot(time, sensor, f"{sub}/images/{time}.jpg", frame, position, heading, lens))
    return shots


def _rig(recording: Recording, size: Size, random) -> list[Shot]:
    sub, shots = recording.name, []
    lenses = {name: lens_of("hololens", size.width, size.height, random) for name in TRACKERS}
    for frame, (time, position, heading) in _frames(recording):
        for name, lens in lenses.items():
            place, turned = camera_place(name, position, heading)
            path = f"{sub}/images/{time}-{name}.jpg"
            shots.append(Shot(time, f"{sub}/{name}", path, frame, place, turned, lens))
    return shots
