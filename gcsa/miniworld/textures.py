"""The facade library: a limited set of building types, shared by all cities of a world.

Distant streets look alike because they are built from the same few types.
"""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.atlas import CHANNELS

TEXELS = 14.0  # per metre

WALL_COLORS = np.array(
    [
        (168, 92, 70), (196, 170, 138), (214, 206, 190), (150, 142, 136), (226, 200, 140),
        (178, 120, 92), (130, 110, 98), (206, 160, 140), (170, 184, 188), (228, 224, 214),
        (140, 72, 58), (188, 192, 168),
    ]
)  # fmt: skip
FRAME_COLORS = np.array([(240, 240, 236), (70, 60, 54), (90, 96, 100), (52, 74, 62)])
DOOR_COLORS = np.array([(96, 52, 34), (40, 66, 58), (44, 50, 84), (120, 30, 30), (60, 58, 56)])
ROOF_COLORS = np.array([(120, 58, 46), (78, 76, 80), (98, 92, 88), (142, 84, 62)])


class Canvas:
    """A texture under construction; x to the right and y upwards, in metres."""

    def __init__(self, width: float, height: float, color, texels: float = TEXELS):
        self.texels = texels
        shape = max(round(height * texels), 8), max(round(width * texels), 8)
        self.texture = np.zeros((*shape, CHANNELS), np.uint8)
        self.texture[..., :3] = color
        self.texture[..., 4] = 255

    def rect(self, x0, y0, x1, y1, color, glow: int = 0, opacity: int = 255) -> None:
        """Fill a rectangle; parts outside are cut."""
        x0, y0, x1, y1 = (max(round(v * self.texels), 0) for v in (x0, y0, x1, y1))
        self.texture[y0:y1, x0:x1] = (*np.clip(color, 0, 255).astype(int), glow, opacity)

    def noise(self, random: np.random.Generator, spread: float) -> None:
        """Mottle the opaque colours."""
        grain = random.normal(0, spread, (*self.texture.shape[:2], 1))
        colors = self.texture[..., :3] + grain
        self.texture[..., :3] = np.clip(colors, 0, 255)

    def clear_above(self, line: np.ndarray) -> None:
        """Make texels above `line` (metres, one per column) transparent."""
        height = (np.arange(self.texture.shape[0]) + 0.5) / self.texels
        self.texture[height[:, None] > line[None], 4] = 0


@dataclass(frozen=True)
class Facade:
    """One building type: its front and its plain side, with the size in metres."""

    width: float
    height: float
    front: np.ndarray
    side: np.ndarray


def facade_library(random: np.random.Generator, count: int) -> list[Facade]:
    """Draw `count` building types."""
    return [_facade(child) for child in random.spawn(count)]


def _facade(random: np.random.Generator) -> Facade:
    bays, storeys = int(random.integers(2, 6)), int(random.integers(2, 6))
    bay, storey = random.uniform(2.2, 3.8), random.uniform(2.8, 3.5)
    ground = random.uniform(3.0, 4.2)
    roof = random.choice(["flat", "pitched", "gable"], p=[0.45, 0.35, 0.2])
    if roof == "gable":  # a tall narrow house
        bays = min(bays, 3)
    body = ground + (storeys - 1) * storey
    rise = {"flat": 0.6, "pitched": random.uniform(2, 3.2), "gable": bays * bay * 0.45}[roof]
    width, height = bays * bay, body + rise
    color = WALL_COLORS[random.integers(len(WALL_COLORS))] + random.normal(0, 8, 3)
    canvas = Canvas(width, height, color)
    _courses(canvas, random, color)
    side = Canvas(10.0, height, color * 0.9)
    side.texture[..., :3] = np.resize(canvas.texture[:, :8, :3].mean(1, keepdims=True), (1, 1, 3))
    _side_windows(side, random, body, storey)
    _upper_storeys(canvas, random, bays, bay, storeys, storey, ground)
    _ground_floor(canvas, random, bays, bay, ground)
    _roof(canvas, random, roof, body, width, height)
    canvas.noise(random, 5)
    side.noise(random, 5)
    return Facade(width, height, canvas.texture, side.texture)


def _courses(canvas: Canvas, random, color) -> None:
    """Brick courses, plaster, or panels."""
    kind = random.choice(["brick", "plaster", "panels", "boards"])
    h, w = canvas.texture.shape[:2]
    y, x = np.mgrid[:h, :w] / canvas.texels
    if kind == "brick":
        mortar = (y % 0.3 < 0.08) | ((x + 0.3 * (y // 0.3 % 2)) % 0.6 < 0.08)
        canvas.texture[mortar, :3] = np.clip(color * 0.82, 0, 255)
    elif kind == "panels":
        joint = (y % 1.5 < 0.09) | (x % 2.0 < 0.09)
        canvas.texture[joint, :3] = np.clip(color * 0.7, 0, 255)
    elif kind == "boards":
        canvas.texture[y % 0.25 < 0.08, :3] = np.clip(color * 0.78, 0, 255)


def _window(canvas, x0, y0, x1, y1, style) -> None:
    frame, panes, sill, glow, glass = style
    canvas.rect(x0 - 0.12, y0 - 0.12, x1 + 0.12, y1 + 0.12, frame)
    canvas.rect(x0, y0, x1, y1, glass, glow)
    across, up = panes
    for i in range(1, across):
        x = x0 + (x1 - x0) * i / across
        canvas.rect(x - 0.05, y0, x + 0.05, y1, frame)
    for i in range(1, up):
        y = y0 + (y1 - y0) * i / up
        canvas.rect(x0, y - 0.05, x1, y + 0.05, frame)
    if sill:
        canvas.rect(x0 - 0.25, y0 - 0.3, x1 + 0.25, y0 - 0.1, frame * 0.8)


def _upper_storeys(canvas, random, bays, bay, storeys, storey, ground) -> None:
    frame = FRAME_COLORS[random.integers(len(FRAME_COLORS))]
    panes = int(random.integers(1, 4)), int(random.integers(1, 4))
    sill, balcony = random.random() < 0.5, random.random() < 0.25
    wide, high = random.uniform(0.35, 0.8) * bay, random.uniform(0.45, 0.72) * storey
    lift = (storey - high) * random.uniform(0.35, 0.6)
    skip = int(random.integers(bays)) if bays > 2 and random.random() < 0.4 else -1
    band = random.random() < 0.35
    for level in range(storeys - 1):
        y = ground + level * storey
        if band:
            canvas.rect(0, y - 0.15, bays * bay, y + 0.15, frame * 0.85)
        for i in range(bays):
            if i == skip:
                continue
            x = (i + 0.5) * bay
            glass = np.array((74, 88, 104)) + random.normal(0, 14)
            style = (frame, panes, sill, int(random.integers(1, 256)), glass)
            _window(canvas, x - wide / 2, y + lift, x + wide / 2, y + lift + high, style)
            if balcony:
                _balcony(canvas, x, y, bay)


def _balcony(canvas, x, y, bay) -> None:
    canvas.rect(x - 0.45 * bay, y - 0.1, x + 0.45 * bay, y + 0.12, (120, 118, 116))
    for bar in np.arange(x - 0.45 * bay, x + 0.45 * bay, 0.3):
        canvas.rect(bar, y, bar + 0.08, y + 1.0, (56, 56, 60))
    canvas.rect(x - 0.45 * bay, y + 0.92, x + 0.45 * bay, y + 1.05, (50, 50, 54))


def _ground_floor(canvas, random, bays, bay, ground) -> None:
    kind = random.choice(["shop", "flat", "garage"], p=[0.35, 0.45, 0.2])
    door = int(random.integers(bays))
    frame = FRAME_COLORS[random.integers(len(FRAME_COLORS))]
    door_color = DOOR_COLORS[random.integers(len(DOOR_COLORS))]
    plinth = random.uniform(0.3, 0.9)
    if kind == "shop":
        sign = random.integers(30, 230, 3)
        canvas.rect(0, ground - 0.8, bays * bay, ground - 0.15, sign)
        for x in np.arange(0.4, bays * bay - 0.8, random.uniform(0.5, 0.9)):
            canvas.rect(x, ground - 0.65, x + 0.3, ground - 0.3, 255 - sign)  # lettering
    else:
        canvas.rect(0, 0, bays * bay, plinth, (112, 108, 104))
    for i in range(bays):
        x0, x1 = i * bay + 0.3, (i + 1) * bay - 0.3
        style = (frame, (2, 1), False, int(random.integers(1, 256)), np.array((66, 76, 88)))
        if i == door:
            middle = (x0 + x1) / 2
            canvas.rect(middle - 0.7, 0, middle + 0.7, 2.5, frame)
            canvas.rect(middle - 0.55, 0, middle + 0.55, 2.35, door_color)
        elif kind == "shop":
            _window(canvas, x0, 0.5, x1, ground - 1.0, style)
        elif kind == "garage":
            canvas.rect(x0, 0, x1, 2.4, (150, 150, 148))
            for y in np.arange(0.3, 2.4, 0.4):
                canvas.rect(x0, y, x1, y + 0.08, (110, 110, 110))
        else:
            _window(canvas, x0 + 0.3, 1.0, x1 - 0.3, 2.4, style)


def _roof(canvas, random, kind, body, width, height) -> None:
    color = ROOF_COLORS[random.integers(len(ROOF_COLORS))]
    columns = (np.arange(canvas.texture.shape[1]) + 0.5) / canvas.texels
    if kind == "flat":
        canvas.rect(0, body, width, height, color)
        canvas.rect(0, height - 0.2, width, height, color * 1.25)
    elif kind == "pitched":
        canvas.rect(0, body, width, height, color)
        for y in np.arange(body, height, 0.35):
            canvas.rect(0, y, width, y + 0.09, color * 0.8)
        for x in np.arange(width / 6, width - 1, width / 3):  # dormers
            canvas.rect(x, body + 0.3, x + 1.3, body + 1.7, (226, 224, 218))
            canvas.rect(x + 0.2, body + 0.5, x + 1.1, body + 1.5, (60, 70, 84), 9)
        canvas.rect(0, body - 0.2, width, body + 0.15, (210, 208, 202))
    else:
        slope = (height - body) / (width / 2)
        if random.random() < 0.5:  # stepped gable
            columns = np.round(columns / 0.8) * 0.8
        canvas.rect(width / 2 - 0.5, body + 0.3, width / 2 + 0.5, body + 1.6, (70, 80, 96), 7)
        canvas.clear_above(height - slope * np.abs(columns - width / 2))


def _side_windows(canvas, random, body, storey) -> None:
    if random.random() < 0.5:
        return
    for y in np.arange(4.4, body - 1.5, storey):
        for x in (2.5, 6.5):
            canvas.rect(x, y, x + 1.0, y + 1.3, (74, 84, 98), int(random.integers(1, 256)))


def hedge(random: np.random.Generator) -> np.ndarray:
    """A clipped hedge, 4 m wide and 1.6 m high."""
    canvas = Canvas(4.0, 1.6, (58, 84, 46))
    canvas.noise(random, 18)
    canvas.clear_above(1.5 + 0.08 * random.standard_normal(canvas.texture.shape[1]))
    return canvas.texture


def fence(random: np.random.Generator) -> np.ndarray:
    """A paling fence, 4 m wide and 1.6 m high."""
    canvas = Canvas(4.0, 1.6, (124, 104, 82))
    for x in np.arange(0, 4.0, 0.25):
        canvas.rect(x, 0, x + 0.08, 1.6, (84, 70, 56))
    canvas.noise(random, 8)
    return canvas.texture


def car_side() -> np.ndarray:
    """A car from the side, 4.4 m x 1.45 m; grey, to be tinted."""
    canvas = Canvas(4.4, 1.45, (200, 200, 200))
    x = (np.arange(canvas.texture.shape[1]) + 0.5) / TEXELS
    outline = [0.7, 0.8, 0.9, 1.43, 1.43, 0.95, 0.85, 0.5]
    roof = np.interp(x, [0, 0.1, 1.0, 1.6, 3.1, 3.9, 4.3, 4.4], outline)
    canvas.rect(1.25, 0.9, 3.5, 1.32, (44, 52, 62))
    canvas.rect(2.3, 0.9, 2.42, 1.32, (190, 190, 190))
    canvas.rect(0, 0.0, 4.4, 0.18, (20, 20, 20), opacity=0)
    for axle in (0.9, 3.5):
        canvas.rect(axle - 0.34, 0, axle + 0.34, 0.62, (26, 26, 28))
        canvas.rect(axle - 0.16, 0.16, axle + 0.16, 0.46, (120, 120, 124))
    canvas.clear_above(roof)
    return canvas.texture


def car_end(lamp) -> np.ndarray:
    """A car from the front or the back, 1.8 m x 1.45 m, with lamps of one colour."""
    canvas = Canvas(1.8, 1.45, (196, 196, 196))
    canvas.rect(0.25, 0.88, 1.55, 1.32, (44, 52, 62))
    canvas.rect(0, 0.2, 1.8, 0.36, (60, 60, 62))
    canvas.rect(0.55, 0.4, 1.25, 0.55, (230, 230, 226))
    canvas.rect(0.05, 0.55, 0.4, 0.78, lamp)
    canvas.rect(1.4, 0.55, 1.75, 0.78, lamp)
    canvas.rect(0.35, 0, 1.45, 0.2, (20, 20, 20), opacity=0)
    x = (np.arange(canvas.texture.shape[1]) + 0.5) / TEXELS
    outline = [0.8, 0.95, 1.43, 1.43, 0.95, 0.8]
    canvas.clear_above(np.interp(x, [0, 0.1, 0.3, 1.5, 1.7, 1.8], outline))
    return canvas.texture
