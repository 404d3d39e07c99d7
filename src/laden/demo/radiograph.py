"""Draws invented chest radiographs: no patient has ever had them, yet a person sees at once what they are.

In order: each part of a chest (trunk, lungs, heart, ribs ...) adds to, or takes from, a small map of how much
is absorbed, its place and size varied by the random generator; the map is enlarged to the image's size,
scaled to the 12 bits of a detector, and given a detector's noise. Bright means absorbed (DICOM: MONOCHROME2).
Not for training.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]

BITS_STORED = 12
_MAP_HEIGHT, _MAP_WIDTH = 384, 320
_NOISE_SIZE = 4096


def draw(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.uint16]:
    """Return a frontal view of `height` x `width` pixels (at most 4096 each), values 0 to 4095."""
    absorbed = _enlarge(_absorption(rng), height, width)
    top, left = rng.integers(0, _NOISE_SIZE - np.array((height, width)) + 1)
    noise = _noise()[top : top + height, left : left + width]
    peak = float(rng.uniform(3300, 3900))
    absorbed *= peak
    absorbed += noise
    np.clip(absorbed, 0, 2**BITS_STORED - 1, out=absorbed)
    return absorbed.astype(np.uint16)


@cache
def _noise() -> Field:
    """Return one tile of detector noise for all images: each takes another part of it."""
    rng = np.random.Generator(np.random.PCG64(0))
    noise = rng.standard_normal((_NOISE_SIZE, _NOISE_SIZE), dtype=np.float32)
    noise *= 9
    return noise


def _step(distance: Field, softness: float) -> Field:
    """0 where `distance` is far below zero, 1 far above, soft between."""
    step: Field = 1 / (1 + np.exp(np.clip(-distance / softness, -30, 30)))
    return step


def _bump(distance: Field, softness: float) -> Field:
    bump: Field = np.exp(-np.square(distance / softness))
    return bump


def _absorption(rng: np.random.Generator) -> Field:
    """Return the small map, 0 (air) to 1. x runs from -1 to 1, y from 0 (neck) to 1 (belly)."""
    x = np.linspace(-1, 1, _MAP_WIDTH, dtype=np.float32)[None, :] + np.float32(rng.uniform(-0.04, 0.04))
    y = np.linspace(0, 1, _MAP_HEIGHT, dtype=np.float32)[:, None] + np.float32(rng.uniform(-0.02, 0.02))
    x = x * np.float32(rng.uniform(0.97, 1.1))
    trunk, lungs, base = _trunk(rng, x, y), _lungs(rng, x, y), _texture(rng)
    bones = _ribs(rng, x, y) + _clavicles(rng, x, y)
    middle = _middle(rng, x, y)
    absorbed = trunk * (0.62 + 0.04 * base)
    absorbed = absorbed * (1 - lungs * (0.68 + 0.05 * base)) + lungs * _vessels(rng, x, y) * trunk
    absorbed = absorbed + trunk * bones * (0.02 + 0.085 * lungs)
    absorbed = absorbed + (0.86 - absorbed) * np.clip(middle, 0, 1) * trunk
    clipped: Field = np.clip(absorbed + 0.035, 0, 1).astype(np.float32)
    return clipped


def _trunk(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Neck, shoulders and chest wall against the air around them."""
    neck, wide = rng.uniform(0.2, 0.26), rng.uniform(0.92, 1.02)
    half_width = neck + (1.25 - neck) * _step(y - 0.09 - 0.02 * np.abs(x), 0.018)
    half_width = half_width - (1.25 - wide) * _step(y - 0.42, 0.07)
    edge = _step(half_width - np.abs(x), 0.02)
    trunk: Field = edge * (0.72 + 0.28 * np.sqrt(np.clip(1 - np.square(x / 1.15), 0, 1)))
    return trunk


def _lungs(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Two dark fields; the heart leaves the one on the image's right (the patient's left) less room."""
    lungs: Field = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    apex, widest = rng.uniform(0.08, 0.11), rng.uniform(0.74, 0.82)
    for side, floor in ((-1, rng.uniform(0.72, 0.77)), (1, rng.uniform(0.76, 0.81))):
        along = x * side
        reach = np.sqrt(np.clip(1 - np.square((y - 0.66) / (0.66 - apex)), 0, 1))
        outer = 0.14 + (widest - 0.14) * reach**0.8
        dome = floor - 0.05 + 0.16 * np.square(np.clip((along - 0.3) / 0.5, -0.4, 1.2))
        inside = _step(outer - along, 0.018) * _step(along - 0.13, 0.02) * _step(dome - y, 0.009)
        lungs = lungs + inside * _step(y - apex, 0.012)
    return lungs


def _middle(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Spine, great vessels, hila and heart: what lies before the spine absorbs most; the windpipe least."""
    spine = _bump(x + 0 * y, 0.12) * (0.62 + 0.06 * np.cos(y * 2 * np.pi * 17))
    upper = _step(0.14 - np.abs(x + 0 * y), 0.02) * 0.35
    arch = _step(0.075 - np.hypot(x - 0.12, (y - 0.3) * 1.3), 0.015) * 0.5
    tilt, size = rng.uniform(0.45, 0.6), rng.uniform(0.92, 1.12)
    along = (x - 0.14) * np.cos(tilt) + (y - 0.6) * 1.25 * np.sin(tilt)
    across = -(x - 0.14) * np.sin(tilt) + (y - 0.6) * 1.25 * np.cos(tilt)
    heart = _step(1 - np.hypot(along / (0.35 * size), across / (0.235 * size)), 0.045) * 0.62
    hila = sum((_bump(np.hypot(x - s * 0.2, (y - 0.44) * 1.2), 0.085) * 0.38 for s in (-1, 1)), np.float32(0))
    windpipe = _bump(x - 0.005, 0.035) * _step(0.34 - y, 0.02) * 0.3
    bowel = _bump(np.hypot((x - 0.5) / 1.6, y - rng.uniform(0.86, 0.9)), 0.06) * 0.3
    middle: Field = np.maximum.reduce([spine, upper, arch, heart, hila + spine * 0.3]) - windpipe - bowel
    return middle


def _ribs(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Back ribs, falling from the spine to the sides, and fainter front ribs, rising from the sides."""
    ribs: Field = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    reach, gap = np.abs(x), rng.uniform(0.073, 0.08)
    fade = _step(0.9 - reach, 0.03) * _step(reach - 0.08, 0.02)
    for number in range(11):
        spine_end = 0.075 + number * gap
        arc = spine_end - 0.05 * np.sin(np.clip(reach / 0.55, 0, 1.4) * np.pi / 2 + 0.2)
        back = arc + (0.03 + 0.012 * number) * reach**2 * 2.2
        distance = y - back
        shaft = _step(0.013 - np.abs(distance), 0.003)
        rims = _bump(np.abs(distance) - 0.012, 0.004) * 0.5
        ribs = ribs + (shaft + rims) * fade
        front = spine_end + 0.13 + 0.2 * np.square(1 - reach)
        ribs = ribs + _step(0.016 - np.abs(y - front), 0.005) * fade * _step(reach - 0.35, 0.05) * 0.35
    return ribs


def _clavicles(rng: np.random.Generator, x: Field, y: Field) -> Field:
    lift = rng.uniform(-0.01, 0.015)
    reach = np.abs(x)
    centre = 0.185 - lift - 0.09 * reach + 0.02 * np.sin(reach * 5)
    shaft = _step(0.017 - np.abs(y - centre), 0.004) * _step(reach - 0.1, 0.02) * _step(0.85 - reach, 0.03)
    return shaft * 1.1


def _texture(rng: np.random.Generator) -> Field:
    """Slow changes of brightness, between about -1 and 1."""
    coarse = rng.standard_normal((14, 12)).astype(np.float32)
    return _enlarge(coarse, _MAP_HEIGHT, _MAP_WIDTH)


def _vessels(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Mark the lungs finely, densest at the hila."""
    fine = _enlarge(rng.standard_normal((72, 60)).astype(np.float32), _MAP_HEIGHT, _MAP_WIDTH)
    near = _bump(np.hypot(np.abs(x) - 0.25, y - 0.48), 0.33)
    vessels: Field = np.square(fine) * (0.004 + 0.022 * near)
    return vessels


def _enlarge(small: Field, height: int, width: int) -> Field:
    """Linear interpolation, one axis after the other."""
    return _stretch(_stretch(small, height).T, width).T


def _stretch(small: Field, length: int) -> Field:
    place = np.linspace(0, len(small) - 1, length, dtype=np.float32)
    below = np.minimum(place.astype(np.intp), len(small) - 2)
    part = (place - below)[:, None].astype(np.float32)
    stretched: Field = small[below] * (1 - part) + small[below + 1] * part
    return stretched
