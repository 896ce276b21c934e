"""Pictures of indoor surfaces: walls, doors, and what hangs on walls.

Each function draws number `number` of its sort, `width` x `height` metres, as a texture of the
atlas: (h, w, 5) uint8, bottom row first.
"""

import numpy as np

from gcsa.miniworld.textures import Canvas

TEXELS = 40.0  # per metre
LAMP, PANE = 255, 100  # glow: always lit; lit by daylight
SCHEMES = 12  # ways to paint walls, doors and floors
BRIGHT = np.array(
    [
        (196, 60, 50), (44, 92, 160), (232, 190, 60), (60, 140, 90), (240, 236, 226),
        (120, 70, 130), (230, 130, 50), (40, 44, 52), (150, 190, 210), (206, 150, 160),
    ]
)  # fmt: skip
# Of each scheme: wall, its band or joints; door.
PAINTS = (
    ((226, 224, 216), (176, 120, 60)), ((170, 204, 226), (60, 100, 140)),
    ((196, 130, 100), (120, 70, 50)), ((232, 230, 220), (50, 110, 190)),
    ((236, 208, 130), (150, 90, 30)), ((176, 216, 160), (60, 120, 70)),
    ((196, 194, 190), (110, 110, 116)), ((236, 228, 222), (200, 60, 60)),
    ((220, 170, 176), (130, 50, 80)), ((240, 240, 240), (60, 60, 70)),
    ((216, 196, 160), (140, 110, 70)), ((186, 176, 216), (90, 60, 140)),
)  # fmt: skip
LEAVES = (
    (158, 112, 72), (80, 110, 140), (206, 200, 190), (66, 92, 160), (120, 72, 44),
    (70, 128, 80), (74, 74, 78), (188, 60, 56), (150, 70, 100), (40, 40, 46),
    (206, 150, 60), (236, 236, 240),
)  # fmt: skip


def _canvas(width, height, color) -> Canvas:
    return Canvas(width, height, color, TEXELS)


def wall(random, number, width, height):
    paint, accent = PAINTS[number]
    canvas = _canvas(width, height, paint)
    pattern = number % 4
    if pattern == 0:  # a painted band
        canvas.rect(0, 0, width, 1.05, accent)
        canvas.rect(0, 1.05, width, 1.12, np.multiply(accent, 0.7))
    elif pattern == 1:  # panels
        for x in np.arange(0, width, 1.0):
            canvas.rect(x, 0, x + 0.05, height, accent)
        canvas.rect(0, 2.2, width, 2.25, accent)
    elif pattern == 2:  # bricks
        for k, y in enumerate(np.arange(0, height, 0.25)):
            canvas.rect(0, y, width, y + 0.03, accent)
            for x in np.arange(0.25 * (k % 2), width, 0.5):
                canvas.rect(x, y, x + 0.03, y + 0.25, accent)
    else:  # a stripe
        canvas.rect(0, 1.3, width, 1.6, accent)
        canvas.rect(0, 0.7, width, 0.78, np.multiply(accent, 0.8))
    canvas.rect(0, 0, width, 0.1, (104, 100, 94))
    canvas.noise(random, 2)
    return canvas.texture


def door(random, number, width, height):
    leaf = np.array(LEAVES[number])
    canvas = _canvas(width, height, leaf * 0.6)
    canvas.rect(0.07, 0, width - 0.07, height - 0.07, leaf)
    if number % 3 == 0:
        canvas.rect(width - 0.38, 1.25, width - 0.25, 1.9, (70, 84, 92))
    elif number % 3 == 1:
        canvas.rect(0.25, 1.2, width - 0.25, 1.9, (70, 84, 92))
    canvas.rect(0.14, 1.0, 0.26, 1.06, (226, 226, 226))
    canvas.noise(random, 2)
    return canvas.texture


def lintel(random, number, width, height):
    canvas = _canvas(width, height, (214, 212, 204))
    canvas.rect(0, 0, width, 0.06, (120, 100, 84))
    return canvas.texture


def poster(random, number, width, height):
    ground, ink, image = BRIGHT[random.permutation(len(BRIGHT))[:3]]
    canvas = _canvas(width, height, ground)
    canvas.rect(0.08, height - 0.22, width - 0.08, height - 0.1, ink)
    low = random.uniform(0.25, 0.5)
    canvas.rect(0.1, low, width - 0.1, height - 0.3, image)
    for _ in range(3):
        x, y = random.uniform(0.1, width - 0.3), random.uniform(low, height - 0.45)
        size = random.uniform(0.08, 0.25, 2)
        canvas.rect(x, y, x + size[0], y + size[1], BRIGHT[random.integers(len(BRIGHT))])
    for y in np.arange(0.08, low - 0.06, 0.08):
        canvas.rect(0.1, y, random.uniform(0.4, width - 0.1), y + 0.03, ink)
    canvas.noise(random, 3)
    return canvas.texture


def board(random, number, width, height):
    canvas = _canvas(width, height, (96, 72, 50))
    canvas.rect(0.05, 0.05, width - 0.05, height - 0.05, (188, 148, 98))
    for _ in range(9):
        x, y = random.uniform(0.08, width - 0.35), random.uniform(0.08, height - 0.35)
        paper = (240, 240, 234) if random.random() < 0.6 else BRIGHT[random.integers(len(BRIGHT))]
        canvas.rect(x, y, x + random.uniform(0.15, 0.25), y + random.uniform(0.2, 0.3), paper)
    canvas.noise(random, 3)
    return canvas.texture


def mural(random, number, width, height):
    canvas = _canvas(width, height, BRIGHT[random.integers(len(BRIGHT))])
    for _ in range(14):
        x, y = random.uniform(0, width - 0.3), random.uniform(0, height - 0.3)
        size = random.uniform(0.2, 0.9, 2)
        canvas.rect(x, y, x + size[0], y + size[1], BRIGHT[random.integers(len(BRIGHT))])
    canvas.noise(random, 3)
    return canvas.texture


def extinguisher(random, number, width, height):
    canvas = _canvas(width, height, (188, 30, 28))
    canvas.rect(0, height - 0.2, width, height, (40, 40, 40))
    canvas.rect(0.05, 0.25, width - 0.05, 0.45, (236, 232, 220))
    return canvas.texture


def radiator(random, number, width, height):
    canvas = _canvas(width, height, (236, 236, 232))
    for x in np.arange(0.05, width, 0.12):
        canvas.rect(x, 0.05, x + 0.05, height - 0.05, (176, 176, 174))
    return canvas.texture


def lockers(random, number, width, height):
    color = np.array([(88, 118, 150), (160, 160, 158)][number])
    canvas = _canvas(width, height, color)
    for x in np.arange(0, width, 0.375):
        for y in (0, height / 2):
            canvas.rect(x, y, x + 0.03, y + height / 2, color * 0.6)
            canvas.rect(x, y, x + 0.375, y + 0.03, color * 0.6)
            canvas.rect(x + 0.28, y + 0.45, x + 0.32, y + 0.55, (30, 30, 30))
    return canvas.texture


def switch(random, number, width, height):
    canvas = _canvas(width, height, (246, 246, 244))
    canvas.rect(0.08, 0.08, 0.17, 0.22, (150, 150, 150))
    return canvas.texture


def exit_sign(random, number, width, height):
    canvas = _canvas(width, height, (0, 0, 0))
    canvas.rect(0, 0, width, height, (40, 170, 90), LAMP)
    canvas.rect(0.2, 0.06, 0.3, 0.2, (236, 246, 240), LAMP)
    return canvas.texture


def window(random, number, width, height):
    canvas = _canvas(width, height, (232, 232, 230))
    step = (width - 0.06) / (1 + number)
    for i in range(1 + number):
        x = 0.06 + i * step
        canvas.rect(x, 0.08, x + step - 0.06, height - 0.08, (150, 176, 196), PANE)
    return canvas.texture


def shelf(random, number, width, height):
    canvas = _canvas(width, height, (120, 86, 58))
    for y in np.arange(0.08, height - 0.3, 0.4):
        x = 0.06
        while x < width - 0.14:
            thick = random.uniform(0.05, 0.12)
            color = BRIGHT[random.integers(len(BRIGHT))] * random.uniform(0.5, 0.9)
            canvas.rect(x, y, x + thick, y + random.uniform(0.22, 0.32), color)
            x += thick + 0.01
    return canvas.texture


def whiteboard(random, number, width, height):
    canvas = _canvas(width, height, (120, 122, 124))
    canvas.rect(0.05, 0.05, width - 0.05, height - 0.05, (242, 244, 246))
    for _ in range(4 * number):
        x, y = random.uniform(0.1, width - 0.5), random.uniform(0.1, height - 0.15)
        ink = BRIGHT[random.integers(4)]
        canvas.rect(x, y, x + random.uniform(0.1, 0.5), y + 0.04, ink)
    return canvas.texture
