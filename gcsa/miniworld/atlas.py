"""A set of textures in one flat array, each with smaller copies for distant surfaces."""

import numpy as np

CHANNELS = 5  # red, green, blue, glow (0 = matt, else number of a window), opacity


class Atlas:
    """Textures of shape (h, w, 5) uint8, bottom row first, at `texels` per metre; at least
    2 ** (levels - 1) texels high and wide.

    Copies of half, quarter, ... the resolution keep distant facades from flickering.
    """

    def __init__(self, textures: list[np.ndarray], texels: float, levels: int = 4):
        pyramids = [_pyramid(texture, levels) for texture in textures]
        self.texels, self.levels = texels, levels
        shapes = [[level.shape[:2] for level in p] for p in pyramids]
        self.shape: np.ndarray = np.array(shapes)  # (T, levels, 2)
        sizes = self.shape.prod(2).ravel()
        self.offset = (np.cumsum(sizes) - sizes).reshape(len(textures), levels)
        self.data = np.concatenate([level.reshape(-1, CHANNELS) for p in pyramids for level in p])

    def fetch(self, texture, along, up, pixel) -> np.ndarray:
        """Return texels (P, 5).

        texture (P,) int; along (P,) metres, repeating with the texture's width; up (P,) share of
        the height in [0, 1); pixel (P,) metres covered by an image pixel, which picks the level.
        """
        level = np.log2(np.maximum(pixel * self.texels, 1)).astype(np.int64)
        level = np.minimum(level, self.levels - 1)
        height, width = self.shape[texture, level].T
        full = self.shape[texture, 0, 1]
        col = (along * (self.texels * width / full)).astype(np.int64) % width
        row = np.minimum((up * height).astype(np.int64), height - 1)
        return self.data[self.offset[texture, level] + row * width + col]


def _pyramid(texture: np.ndarray, levels: int) -> list[np.ndarray]:
    """Halve again and again; colours are averaged, window numbers and edges are not."""
    out = [texture]
    for _ in range(levels - 1):
        last = out[-1]
        h, w = last.shape[0] // 2, last.shape[1] // 2
        quad = last[: 2 * h, : 2 * w].reshape(h, 2, w, 2, CHANNELS)
        small = quad.mean((1, 3)).round().astype(np.uint8)
        small[..., 3] = quad[:, 0, :, 0, 3]
        out.append(small)
    return out
