"""A tree before the facade that sways in the wind, the commonest cause of false falls."""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.optics import Picture


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A crown in the picture: its middle and size as shares of the picture, and how far its top sways (px)."""

    x: float = 0.05
    y: float = 0.93
    width: float = 0.26
    height: float = 0.46
    sway: float = 5.0
    seed: int = 3


class _Layer(msgspec.Struct, frozen=True):
    """Twigs that move together: `leaves` already multiplied by `clear`'s complement; whole cycles per period."""

    leaves: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    cycles: int
    phase: float


class Crown:
    """The tree drawn once, ready to be bent. `left`, `top`, `width`, `rows` bound all it can ever touch."""

    def __init__(self, tree: Tree, columns: int, rows: int) -> None:
        rng = np.random.default_rng(tree.seed)
        self._sway = tree.sway * columns / 1280
        margin = math.ceil(self._sway) + 3
        wide, high = round(tree.width * columns), round(tree.height * rows)
        left, top = round(tree.x * columns - wide / 2) - margin, round(tree.y * rows - high / 2) - margin
        # Even bounds, because two by two pixels share one colour value.
        self.left, self.top = max(left, 0) & ~1, max(top, 0) & ~1
        self.width = (min(left + wide + 2 * margin, columns) - self.left) & ~1
        self.rows = (min(top + high + 2 * margin, rows) - self.top) & ~1
        self._layers = [_layer(rng, self, wide, high, (left + margin, top + margin), depth) for depth in range(3)]

    def over(self, background: Picture, turn: float) -> Picture:
        """The part of the picture that the tree may touch, tree included; `turn` is the share of the period."""
        picture = background[self.top : self.top + self.rows, self.left : self.left + self.width].copy()
        for layer in self._layers:
            angle = 2 * math.pi * (layer.cycles * turn + layer.phase)
            push = self._sway * (0.7 * math.sin(angle) + 0.3 * math.sin(2 * angle + 1))
            # The foot stands, the top moves: a shear that vanishes at the lowest row.
            bend = np.array([[1, -push / self.rows, push], [0, 1, 0.25 * push]], np.float32)
            size = (self.width, self.rows)
            leaves = cv2.warpAffine(layer.leaves, bend, size, borderMode=cv2.BORDER_REPLICATE)
            cover = cv2.warpAffine(layer.cover, bend, size, borderMode=cv2.BORDER_REPLICATE)
            shown = cv2.multiply(picture, cv2.merge([255 - cover] * 3), scale=1 / 255)
            picture = np.asarray(cv2.add(shown, leaves), np.uint8)
        return picture


def _layer(rng: np.random.Generator, crown: Crown, wide: int, high: int, corner: tuple[int, int], depth: int) -> _Layer:
    leaves = np.zeros((crown.rows, crown.width, 3), np.uint8)
    cover = np.zeros((crown.rows, crown.width), np.uint8)
    left, top = corner[0] - crown.left, corner[1] - crown.top
    leaf = max(2.0, wide / 75)
    twigs = [(rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.95)) for _ in range(26)]
    for _ in range(1500):
        twig = twigs[int(rng.integers(len(twigs)))]
        across, down = twig[0] + rng.normal(0, 0.06), twig[1] + rng.normal(0, 0.05)
        if ((across - 0.5) / 0.5) ** 2 + ((down - 0.55) / 0.55) ** 2 > 1:
            continue
        light = (0.55 + 0.28 * depth) * rng.uniform(0.7, 1.15) * (1.12 - 0.45 * down)
        colour = (round(52 * light), round(118 * light), round(88 * light))
        middle = (round((left + across * wide) * 16), round((top + down * high) * 16))
        axes = (round(leaf * rng.uniform(0.6, 1.5) * 16), round(leaf * rng.uniform(0.3, 0.7) * 16))
        turn = rng.uniform(0, 180)
        cv2.ellipse(leaves, middle, axes, turn, 0, 360, colour, -1, cv2.LINE_AA, 4)
        cv2.ellipse(cover, middle, axes, turn, 0, 360, 255, -1, cv2.LINE_AA, 4)
    return _Layer(leaves, cover, cycles=(3, 4, 7)[depth], phase=float(rng.uniform()))
