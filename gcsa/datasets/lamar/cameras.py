"""COLMAP's camera models: pixels to rays and back.

A pixel (x, y) has the origin at the upper left corner of the image, so that the centre of the first
pixel is (0.5, 0.5). A ray is (u, v), the point that the camera sees in its plane z = 1: x right,
y down, z ahead. Every model is x = f d(u, v) + c: a distortion d, then focal lengths and principal
point. Fisheye models take the angle to the axis, theta (u, v) / |(u, v)|, in place of (u, v).

Formulas and order of the parameters: COLMAP, src/colmap/sensor/models.h.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gcsa.datasets.lamar.records import Camera
from gcsa.errors import InputError, nearest

# Undistortion is Newton's method; far more steps than a camera of this world needs.
MAX_STEPS = 50
# A ray is good when it comes back to where it started within this, in the plane z = 1.
CONVERGED = 1e-10
_STEP = 1e-30  # of the complex-step derivative: exact, there is no difference to cancel


@dataclass(frozen=True)
class Model:
    """focals: how many focal lengths come first, 1 or 2; the principal point follows.

    extra: how many distortion parameters follow it. distort(points (n, 2), parameters) -> (n, 2).
    undistort: the inverse in closed form, where there is one.
    """

    focals: int
    extra: int
    distort: Callable[[np.ndarray, np.ndarray], np.ndarray]
    fisheye: bool = False
    undistort: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def pixels_to_rays(model: str, params: Sequence[float], pixels: np.ndarray) -> np.ndarray:
    """Undistorted rays (n, 2) of pixels (n, 2).

    NaN where a pixel has none: outside the range of the distortion, or 90 degrees and more off the
    axis. Raises InputError at an unknown model or a wrong number of parameters.
    """
    focal, centre, extra = split(model, params)
    distorted = (np.asarray(pixels, dtype=np.float64).reshape(-1, 2) - centre) / focal
    undistort = MODELS[model].undistort
    if undistort is not None:
        return undistort(distorted, extra)
    points = _invert(MODELS[model].distort, distorted, extra)
    return _from_angles(points) if MODELS[model].fisheye else points


def rays_to_pixels(model: str, params: Sequence[float], rays: np.ndarray) -> np.ndarray:
    """Pixels (n, 2) of rays (n, 2), wherever they lie, inside the image or not."""
    focal, centre, extra = split(model, params)
    points = np.asarray(rays, dtype=np.float64).reshape(-1, 2)
    points = _to_angles(points) if MODELS[model].fisheye else points
    return MODELS[model].distort(points, extra) * focal + centre


def rays_of(cameras: Mapping[str, Camera]) -> Callable[[str, np.ndarray], tuple]:
    """What gives the rays of an image's pixels and its focal length: gcsa.local.verifying.Rays."""

    def rays(name: str, pixels: np.ndarray) -> tuple[np.ndarray, float]:
        camera = cameras[name]
        found = pixels_to_rays(camera.model, camera.params, pixels)
        return found, mean_focal(camera.model, camera.params)

    return rays


def mean_focal(model: str, params: Sequence[float]) -> float:
    """Mean focal length, in pixels."""
    return float(split(model, params)[0].mean())


def split(model: str, params: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Focal lengths (2,) and principal point (2,) in pixels, and the distortion parameters."""
    if model not in MODELS:
        raise InputError(f"camera model '{model}' is not known{nearest(model, MODELS)}")
    values = np.asarray(params, dtype=np.float64)
    focals, extra = MODELS[model].focals, MODELS[model].extra
    if values.shape != (focals + 2 + extra,):
        raise InputError(
            f"camera model '{model}' has {focals + 2 + extra} parameters, got {values.size}"
        )
    focal = np.broadcast_to(values[:focals], 2)
    if not (np.isfinite(values).all() and (focal > 0).all()):
        raise InputError(f"camera model '{model}': parameters {list(params)} are not a camera's")
    return focal, values[focals : focals + 2], values[focals + 2 :]


def _invert(distort: Callable, target: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """Points whose distortion is ``target`` (n, 2), by Newton's method; NaN where it fails.

    A solution counts where the distortion neither folds nor mirrors (both eigenvalues of its
    derivative are positive): beyond the fold of a polynomial other points have the same image, but
    no lens has such a fold inside its picture.
    """
    points = target.copy()
    with np.errstate(all="ignore"):
        for _ in range(MAX_STEPS):
            jacobian = _jacobian(distort, points, extra)
            residual = distort(points, extra) - target
            determinant = np.linalg.det(jacobian)
            if not (np.abs(residual) > CONVERGED / 100).any():
                break
            points = points - _solve(jacobian, determinant, residual)
        upright = (determinant > 0) & (np.trace(jacobian, axis1=1, axis2=2) > 0)
        found = (np.abs(residual).max(axis=1, initial=0) < CONVERGED) & upright
    return np.where(found[:, None], points, np.nan)


def _jacobian(distort: Callable, points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """(n, 2, 2): derivatives of the distorted point (rows) by the two coordinates (columns)."""
    columns = [distort(points + 1j * _STEP * axis, extra).imag / _STEP for axis in np.eye(2)]
    return np.stack(columns, axis=2)


def _solve(jacobian: np.ndarray, determinant: np.ndarray, right: np.ndarray) -> np.ndarray:
    """2 x 2 systems (n, 2, 2), (n, 2) -> (n, 2); a singular one is infinite, not an error."""
    a, b, c, d = (jacobian[:, i, j] for i in (0, 1) for j in (0, 1))
    x, y = right.T
    return np.stack([d * x - b * y, a * y - c * x], axis=1) / determinant[:, None]


def _to_angles(rays: np.ndarray) -> np.ndarray:
    radius = np.hypot(*rays.T)[:, None]
    return rays * np.where(radius > 0, np.arctan(radius) / np.where(radius > 0, radius, 1), 1)


def _from_angles(points: np.ndarray) -> np.ndarray:
    theta = np.hypot(*points.T)[:, None]
    scale = np.where(theta > 0, np.tan(theta) / np.where(theta > 0, theta, 1), 1)
    return np.where(theta < np.pi / 2, points * scale, np.nan)


def _none(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    return points


def _radial(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """1 + k1 r^2 + k2 r^4 + ..., any number of coefficients."""
    square = (points * points).sum(axis=1, keepdims=True)
    factor = np.ones_like(square)
    for power, k in enumerate(extra, start=1):
        factor = factor + k * square**power
    return points * factor


def _tangential(points: np.ndarray, p1: float, p2: float) -> np.ndarray:
    u, v = points.T
    square = u * u + v * v
    return np.stack(
        [2 * p1 * u * v + p2 * (square + 2 * u * u), 2 * p2 * u * v + p1 * (square + 2 * v * v)],
        axis=1,
    )


def _opencv(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    k1, k2, p1, p2 = extra
    return _radial(points, np.array([k1, k2])) + _tangential(points, p1, p2)


def _full_opencv(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    k1, k2, p1, p2, k3, k4, k5, k6 = extra
    square = (points * points).sum(axis=1, keepdims=True)
    below = 1 + square * (k4 + square * (k5 + square * k6))
    return _radial(points, np.array([k1, k2, k3])) / below + _tangential(points, p1, p2)


def _thin_prism(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    k1, k2, p1, p2, k3, k4, s1, s2 = extra
    square = (points * points).sum(axis=1, keepdims=True)
    bent = _radial(points, np.array([k1, k2, k3, k4])) + _tangential(points, p1, p2)
    return bent + square * np.array([s1, s2])


def _fov(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """Devernay and Faugeras 2001: the distorted radius is atan(2 r tan(omega / 2)) / omega."""
    omega, radius = _opening(extra), np.hypot(*points.T)[:, None]
    bent = np.arctan(2 * radius * np.tan(omega / 2)) / omega
    return points * np.where(
        radius > 0, bent / np.where(radius > 0, radius, 1), 2 * np.tan(omega / 2) / omega
    )


def _fov_inverse(points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    omega, radius = _opening(extra), np.hypot(*points.T)[:, None]
    straight = np.tan(radius * omega) / (2 * np.tan(omega / 2))
    scale = np.where(
        radius > 0, straight / np.where(radius > 0, radius, 1), omega / (2 * np.tan(omega / 2))
    )
    return np.where(np.abs(radius * omega) < np.pi / 2, points * scale, np.nan)


def _opening(extra: np.ndarray) -> float:
    """omega; a lens with none is the limit, which 1e-6 reaches to 1e-13."""
    return float(extra[0]) if abs(extra[0]) > 1e-6 else 1e-6


MODELS: dict[str, Model] = {
    "SIMPLE_PINHOLE": Model(1, 0, _none),
    "PINHOLE": Model(2, 0, _none),
    "SIMPLE_RADIAL": Model(1, 1, _radial),
    "RADIAL": Model(1, 2, _radial),
    "OPENCV": Model(2, 4, _opencv),
    "FULL_OPENCV": Model(2, 8, _full_opencv),
    "FOV": Model(2, 1, _fov, undistort=_fov_inverse),
    "OPENCV_FISHEYE": Model(2, 4, _radial, fisheye=True),
    "SIMPLE_RADIAL_FISHEYE": Model(1, 1, _radial, fisheye=True),
    "RADIAL_FISHEYE": Model(1, 2, _radial, fisheye=True),
    "THIN_PRISM_FISHEYE": Model(2, 8, _thin_prism, fisheye=True),
}
