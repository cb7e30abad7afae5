"""Draws the frames of a scene: the facade once, then only what moves, and noise cut from ready tiles."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.facade import paint
from simulator.falling import Flight, smear
from simulator.optics import Picture
from simulator.scene import Scene
from simulator.tree import Crown

NOISE_TILES = 5
NOISE_MARGIN = 64


class Stage:
    """A scene ready to be filmed. Building it takes about a second at 1280 x 720, a frame 3 ms."""

    def __init__(self, scene: Scene) -> None:
        camera = scene.view.camera
        self._scene = scene
        self._still = paint(scene.view, scene.seed)
        if scene.title:
            _write(self._still, scene.title)
        self._base = _i420(self._still)
        self._crown = Crown(scene.tree, camera.columns, camera.rows) if scene.tree else None
        self._flight = Flight(scene.fall, scene.view.facade.storey) if scene.fall else None
        rng = np.random.default_rng(scene.seed)
        tiles = (NOISE_TILES, camera.rows + NOISE_MARGIN, camera.columns + NOISE_MARGIN)
        noise = rng.standard_normal(tiles, np.float32) * scene.noise
        self._tiles = np.clip(np.round(noise) + 128, 0, 255).astype(np.uint8)

    def frame(self, number: int) -> NDArray[np.uint8]:
        """The frame whose pts is `number / fps`, as I420: (rows * 3 / 2) x columns, the luma plane first."""
        scene, rows = self._scene, self._scene.view.camera.rows
        frame, canvas = self._base.copy(), self._still
        turn = (number / scene.fps / scene.period) % 1
        if self._flight is not None:
            fall = self._flight.fall
            seen = smear(scene.view.camera, scene.view.wall, self._flight, number / scene.fps - fall.at)
            if seen is not None:
                canvas = canvas.copy()
                seen.over(canvas, fall.colour)
                left, top = seen.left & ~1, seen.top & ~1
                high, wide = seen.cover.shape
                part = canvas[top : (top + high + 3) & ~1, left : (left + wide + 3) & ~1]
                _lay(frame, part, left, top, rows)
        if self._crown is not None:
            _lay(frame, self._crown.over(canvas, turn), self._crown.left, self._crown.top, rows)
        self._expose(frame[:rows], number, turn)
        return frame

    def _expose(self, luma: NDArray[np.uint8], number: int, turn: float) -> None:
        """Drifting light and sensor noise; the noise of a frame depends on the seed and its number alone."""
        rng = np.random.default_rng((self._scene.seed, number))
        tile, down, across = (int(rng.integers(n)) for n in (NOISE_TILES, NOISE_MARGIN, NOISE_MARGIN))
        grain = self._tiles[tile, down : down + luma.shape[0], across : across + luma.shape[1]]
        gain = 1 + self._scene.drift * math.sin(2 * math.pi * turn)
        luma[:] = cv2.addWeighted(luma, gain, grain, 1, -128)


def _i420(picture: Picture) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)


def _lay(frame: NDArray[np.uint8], part: Picture, left: int, top: int, rows: int) -> None:
    """Put a part of the picture (at an even place) into the three planes of an I420 frame."""
    high, wide = part.shape[0] & ~1, part.shape[1] & ~1
    if not high or not wide:
        return
    small = _i420(np.ascontiguousarray(part[:high, :wide]))
    frame[top : top + high, left : left + wide] = small[:high]
    halves = frame[rows:].reshape(2, rows // 2, frame.shape[1] // 2)
    colours = small[high:].reshape(2, high // 2, wide // 2)
    halves[:, top // 2 : (top + high) // 2, left // 2 : (left + wide) // 2] = colours


def _write(picture: Picture, title: str) -> None:
    """Burn the camera's name into the upper left corner."""
    size = picture.shape[1] / 1280
    for shift, colour in ((2, (30, 30, 30)), (0, (246, 246, 246))):
        place = (round((24 + shift) * size), round((42 + shift) * size))
        cv2.putText(picture, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * size, colour, 1, cv2.LINE_AA)
