"""Flat upright pictures that always face the camera: trees and street lamps."""

import numpy as np

from gcsa.miniworld.raycast import Camera, View

SEASONS = ("summer", "autumn", "winter")


def paint_sprites(view: View, camera: Camera, points, size, kind, pictures, reach=70.0) -> None:
    """Paint sprites into `view` wherever nothing nearer stands, and record their range.

    points (N, 2) metres; size (N, 2) width and height in metres; kind (N,) index into `pictures`,
    each (h, w, 5) uint8 bottom row first. Cameras with a limited field of view only see ahead.
    """
    offset = points - camera.position
    distance = np.hypot(*offset.T)
    bearing = np.arctan2(offset[:, 0], offset[:, 1]) - camera.heading
    bearing = (bearing + np.pi) % (2 * np.pi) - np.pi
    half = np.arctan2(size[:, 0] / 2, distance)
    visible = (distance > 1.5) & (distance < reach)
    visible &= np.abs(bearing) < camera.angle[-1] + half
    chosen = np.flatnonzero(visible)
    for i in chosen[np.argsort(-distance[chosen], kind="stable")]:
        span = camera.angle > bearing[i] - half[i], camera.angle < bearing[i] + half[i]
        columns = np.flatnonzero(span[0] & span[1])
        if len(columns):
            across = 0.5 + (camera.angle[columns] - bearing[i]) / (2 * half[i])
            _paint_one(view, camera, columns, across, distance[i], size[i, 1], pictures[kind[i]])


def _paint_one(view, camera, columns, across, distance, height, picture) -> None:
    up = (camera.eye + camera.slope[:, None] * (distance * camera.depth[columns])) / height
    rows = np.flatnonzero((up.max(1) >= 0) & (up.min(1) < 1))
    if not len(rows):
        return
    up = up[rows]
    y = np.clip((up * picture.shape[0]).astype(int), 0, picture.shape[0] - 1)
    x = np.minimum((across * picture.shape[1]).astype(int), picture.shape[1] - 1)
    texel = picture[y, x]
    window = np.ix_(rows, columns)
    shown = (texel[..., 4] > 127) & (up >= 0) & (up < 1) & (distance < view.range[window])
    r, c = np.nonzero(shown)
    target = rows[r], columns[c]
    view.color[target] = texel[r, c, :3]
    view.glow[target] = texel[r, c, 3]
    view.range[target] = distance
    view.wall[target] = -1


def tree_pictures(random: np.random.Generator, kinds: int) -> dict[str, list[np.ndarray]]:
    """Draw `kinds` trees in each season, as pictures of the same shapes."""
    out: dict[str, list[np.ndarray]] = {season: [] for season in SEASONS}
    for child in random.spawn(kinds):
        bare = _branches(child)
        crown = _crown(child, bare.shape[:2])
        green = np.array((child.integers(48, 84), child.integers(84, 116), child.integers(34, 60)))
        gold = np.array((child.integers(150, 208), child.integers(90, 140), 40))
        out["winter"].append(bare)
        out["summer"].append(_leaves(child, bare, crown, green))
        out["autumn"].append(_leaves(child, bare, crown * (child.random(crown.shape) < 0.8), gold))
    return out


def _branches(random, shape=(96, 64)) -> np.ndarray:
    """A trunk that forks again and again."""
    picture = np.zeros((*shape, 5), np.uint8)
    tips = [(0.0, shape[1] / 2, np.pi / 2, 26.0, 3.0)]
    while tips:
        y, x, angle, length, width = tips.pop()
        steps = np.linspace(0, length, int(length * 2) + 2)
        ys, xs = y + steps * np.sin(angle), x + steps * np.cos(angle)
        for shift in np.arange(-width / 2, width / 2 + 0.5, 0.7):
            r, c = np.rint(ys).astype(int), np.rint(xs + shift).astype(int)
            inside = (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1])
            picture[r[inside], c[inside]] = (74, 62, 52, 0, 255)
        if length > 7:
            for turn in random.uniform(0.2, 0.6, 2) * (1, -1):
                shorter = length * random.uniform(0.65, 0.82)
                tips.append((ys[-1], xs[-1], angle + turn, shorter, width * 0.6))
    return picture


def _crown(random, shape) -> np.ndarray:
    """Mask of a crown made of overlapping balls."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for _ in range(14):
        cy, cx = random.normal(62, 12), random.normal(shape[1] / 2, 9)
        mask |= (y - cy) ** 2 + (x - cx) ** 2 < random.uniform(8, 15) ** 2
    return mask


def _leaves(random, bare, crown, color) -> np.ndarray:
    picture = bare.copy()
    grain = random.normal(0, 1, (crown.shape[0] // 4 + 1, crown.shape[1] // 4 + 1))
    grain = np.kron(grain, np.ones((4, 4)))[: crown.shape[0], : crown.shape[1]]
    light = 0.75 + 0.4 * np.linspace(0, 1, crown.shape[0])[:, None] + 0.14 * grain
    leaves = np.clip(color * light[..., None], 0, 255)
    solid = crown.astype(bool) & (random.random(crown.shape) < 0.93)
    picture[solid, :3] = leaves[solid]
    picture[solid, 3:] = (0, 255)
    return picture


def lamp_picture() -> np.ndarray:
    """A street lamp; its head glows (number 255 means always lit)."""
    picture = np.zeros((96, 24, 5), np.uint8)
    picture[:90, 4:6] = (90, 92, 94, 0, 255)
    picture[88:90, 4:20] = (90, 92, 94, 0, 255)
    picture[86:91, 15:23] = (244, 236, 200, 255, 255)
    return picture


def sign_picture(color) -> np.ndarray:
    """A traffic sign on a post."""
    picture = np.zeros((64, 20, 5), np.uint8)
    picture[:50, 9:11] = (130, 132, 134, 0, 255)
    y, x = np.mgrid[:64, :20]
    radius = np.hypot(y - 54, x - 9.5)
    picture[radius < 9.4] = (*color, 0, 255)
    picture[radius < 6] = (240, 240, 236, 0, 255)
    return picture
