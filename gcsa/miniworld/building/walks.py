"""How devices move: the tour of a NavVis trolley, and people who wander and look around."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from gcsa.miniworld.building.devices import EYE, about_z
from gcsa.miniworld.building.house import House

STEP = 0.25  # metres between the points of a track
LEAD = 8.0  # metres walked, with the radio on, before the first frame
SPACING = {"phone": 0.9, "hololens": 1.3}  # metres between frames
SPEED = 1.0  # metres a second


@dataclass(frozen=True)
class Walk:
    """A track in the world frame, and the frames taken on it.

    track_time (M,) and time (F,) are seconds from the start, rising; track (M, 3) and position
    (F, 3) metres; heading (F,) radians, clockwise from north.
    """

    track_time: np.ndarray
    track: np.ndarray
    time: np.ndarray
    position: np.ndarray
    heading: np.ndarray

    def at(self, seconds) -> np.ndarray:
        """Positions (n, 3) at some times."""
        axes = [np.interp(seconds, self.track_time, axis) for axis in self.track.T]
        return np.stack(axes, -1)


def tour(house: House, level: int, frames: int, random: np.random.Generator) -> Walk:
    """A trolley stops `frames` times, spread over the whole storey."""
    storey = house.storeys[level]
    order = storey.graph.tour()
    chosen = np.linspace(0, len(order) - 1, frames).round().astype(int)
    points = storey.graph.points[np.array(order)[chosen]] + random.normal(0, 0.1, (frames, 2))
    height = storey.level + EYE["navvis"][0]
    position = np.column_stack([house.frame.to_world(points), np.full(frames, height)])
    gone = np.linalg.norm(np.diff(points, axis=0), axis=1)
    time = np.concatenate([[4.0], 4.0 + np.cumsum(gone / 0.7 + 2.0)])
    ends = np.concatenate([[0.0], time, [time[-1] + 3.0]])
    track = position[[0, *range(frames), frames - 1]]
    return Walk(ends, track, time, position, random.uniform(0, 2 * np.pi, frames))


def wander(house: House, level: int, device: str, frames: int, random) -> Walk:
    """Somebody walks about a storey and looks around."""
    storey, spacing = house.storeys[level], SPACING[device]
    metres = LEAD + frames * spacing + 2.0
    points = storey.graph.wander(random, metres + 2.0)
    gone = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    along = np.arange(0, metres, STEP)
    path = np.stack([np.interp(along, gone, axis) for axis in points.T], 1)
    sway = gaussian_filter1d(random.normal(0, 1, path.shape), 8, axis=0)
    path = gaussian_filter1d(path, 1.5, axis=0, mode="nearest") + 0.2 * sway / sway.std()
    path = house.frame.to_world(path)
    height = storey.level + random.uniform(*EYE[device])
    bob = gaussian_filter1d(random.normal(0, 0.1, len(path)), 4)
    track = np.column_stack([path, height + bob])
    ahead = np.gradient(gaussian_filter1d(path, 3, axis=0, mode="nearest"), axis=0)
    chosen = ((LEAD + spacing * np.arange(frames)) / STEP).round().astype(int)
    course = np.arctan2(ahead[chosen, 0], ahead[chosen, 1])
    heading = course + _glances(frames, random)
    time = along / SPEED
    return Walk(time, track, time[chosen], track[chosen], heading % (2 * np.pi))


def _glances(frames: int, random: np.random.Generator) -> np.ndarray:
    """Turns of the head: small ones always, now and then a look at a wall."""
    side = random.choice([-1, 1], frames) * random.uniform(0.7, 1.6, frames)
    return random.normal(0, 0.18, frames) + side * (random.random(frames) < 0.1)


def odometry(rotation: Rotation, position: np.ndarray, random: np.random.Generator):
    """What a device believes of its own way: an arbitrary frame, scale and yaw that drift.

    rotation: F poses, position (F, 3); returns the same.
    """
    steps = np.diff(position, axis=0)
    far = np.linalg.norm(steps, axis=1)
    drift = np.concatenate([[0], np.cumsum(random.normal(0, 0.008, len(far)) * np.sqrt(far))])
    yaw = about_z(random.uniform(0, 2 * np.pi) + drift)
    steps = steps * random.normal(1.0, 0.01) + random.normal(0, 0.01, steps.shape)
    moved = yaw[:-1].apply(steps) if len(steps) else steps
    place = np.vstack([np.zeros(3), np.cumsum(moved, axis=0)]) + random.normal(0, 0.5, 3)
    return yaw * rotation, place
