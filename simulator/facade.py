"""The front of a residential building as a camera at its foot sees it: windows, balconies, floor lines, sky.

Painted once per scene at twice the size and then halved; nothing here moves.
"""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.masonry import Bay, Colour, Facade, shade, wall_texture
from simulator.optics import Picture, Pinhole, Wall

SUPER = 2
RAILING, DEPTH = 1.05, 1.15
"""Metres: a railing's top over the floor, and how far balconies stand out."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What one camera looks at: its building and perhaps another one far behind."""

    camera: Pinhole
    wall: Wall
    facade: Facade
    behind: tuple[tuple[Wall, Facade], ...] = ()


def paint(view: View, seed: int) -> Picture:
    """The still picture, rows x columns x 3, without noise, tree or anything that moves."""
    rng = np.random.default_rng(seed)
    large = msgspec.structs.replace(
        view.camera,
        columns=view.camera.columns * SUPER,
        rows=view.camera.rows * SUPER,
        focal=view.camera.focal * SUPER,
    )
    picture = _sky(large, rng)
    haze = picture.copy()
    for wall, facade in view.behind:
        _build(picture, large, wall, facade)
    if view.behind:
        picture[:] = cv2.addWeighted(picture, 0.55, haze, 0.45, 0)
    _build(picture, large, view.wall, view.facade)
    return np.asarray(
        cv2.resize(picture, (view.camera.columns, view.camera.rows), interpolation=cv2.INTER_AREA), np.uint8
    )


def _sky(camera: Pinhole, rng: np.random.Generator) -> Picture:
    coarse = rng.normal(0, 1, (9, 14)).astype(np.float32)
    clouds = cv2.resize(coarse, (camera.columns, camera.rows), interpolation=cv2.INTER_CUBIC)
    clouds = cv2.GaussianBlur(clouds, (0, 0), 24) * 7
    down = np.linspace(0, 1, camera.rows, dtype=np.float32)[:, None, None]
    low, high = np.array([236, 231, 226], np.float32), np.array([228, 205, 178], np.float32)
    return np.clip(high * (1 - down) + low * down + clouds[..., None], 0, 255).astype(np.uint8)


def _build(picture: Picture, camera: Pinhole, wall: Wall, facade: Facade) -> None:
    """Lay the painted wall into the picture, then stand the balconies in front of it."""
    rng = np.random.default_rng(facade.seed)
    texture = wall_texture(facade, rng)
    half = facade.width / 2
    corners = [(-half, facade.top), (half, facade.top), (half, 0.0), (-half, 0.0)]
    seen = _outline(camera, wall, [(s, h, 0.0) for s, h in corners])
    rows, columns = texture.shape[:2]
    flat = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32) - 0.5
    warp = cv2.getPerspectiveTransform(flat, seen)
    size = (camera.columns, camera.rows)
    laid = cv2.warpPerspective(texture, warp, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    inside = np.zeros((camera.rows, camera.columns), np.uint8)
    cv2.fillConvexPoly(inside, np.round(seen * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    share = inside[..., None].astype(np.float32) / 255
    picture[:] = (picture * (1 - share) + laid * share).astype(np.uint8)
    for floor in range(facade.storeys, 1, -1):
        for bay in facade.bays:
            if bay.kind == "balcony":
                _balcony(_Brush(picture, camera, wall), facade, bay, floor, rng)


def _outline(camera: Pinhole, wall: Wall, corners: list[tuple[float, float, float]]) -> NDArray[np.float32]:
    """N x 2: where the corners (s, h, out) are seen."""
    spots = [wall.spot(camera, s, h, out) for s, h, out in corners]
    return np.array([(spot.x, spot.y) for spot in spots], np.float32)


class _Brush(msgspec.Struct, frozen=True):
    """Draws faces in front of a wall."""

    picture: Picture
    camera: Pinhole
    wall: Wall

    def face(self, corners: list[tuple[float, float, float]], colour: Colour, cover: float = 1.0) -> None:
        """Fill a convex face; `cover` < 1 lets through what is behind, as glass does."""
        outline = np.round(_outline(self.camera, self.wall, corners) * 16).astype(np.int32)
        if cover >= 1:
            cv2.fillConvexPoly(self.picture, outline, colour, cv2.LINE_AA, 4)
            return
        x, y, width, height = cv2.boundingRect(outline // 16)
        left, top = max(x - 1, 0), max(y - 1, 0)
        part = self.picture[top : y + height + 2, left : x + width + 2]
        if part.size:
            over = part.copy()
            cv2.fillConvexPoly(over, outline - np.array([left, top]) * 16, colour, cv2.LINE_AA, 4)
            part[:] = cv2.addWeighted(over, cover, part, 1 - cover, 0)


def _balcony(brush: _Brush, facade: Facade, bay: Bay, floor: int, rng: np.random.Generator) -> None:
    """A slab seen from below, its two sides, laundry above and a railing of glass in front."""
    base = (floor - 1) * facade.storey
    left, right, out = bay.s - bay.width / 2, bay.s + bay.width / 2, DEPTH
    under, slab = base - 0.02, base + 0.2
    brush.face(
        [(left, under, 0), (right, under, 0), (right, under, out), (left, under, out)], shade(facade.paint, 0.55)
    )
    if rng.random() < 0.55:
        _laundry(brush, bay, base, rng)
    for side in (left, right):
        tone = shade(facade.paint, 0.66 if side > 0 else 0.8)
        brush.face([(side, under, 0), (side, base + RAILING, 0), (side, base + RAILING, out), (side, under, out)], tone)
    glass = [(left, slab, out), (right, slab, out), (right, base + RAILING, out), (left, base + RAILING, out)]
    brush.face(glass, (168, 158, 142), 0.62)
    brush.face(
        [(left, under, out), (right, under, out), (right, slab, out), (left, slab, out)], shade(facade.paint, 1.12)
    )
    rail = base + RAILING
    brush.face(
        [(left, rail, out), (right, rail, out), (right, rail + 0.07, out), (left, rail + 0.07, out)],
        (222, 224, 224),
    )
    for post in np.linspace(left, right - 0.05, 5):
        brush.face(
            [(post, slab, out), (post + 0.05, slab, out), (post + 0.05, rail, out), (post, rail, out)],
            (206, 208, 208),
        )


def _laundry(brush: _Brush, bay: Bay, base: float, rng: np.random.Generator) -> None:
    colours: tuple[Colour, ...] = ((208, 205, 200), (72, 60, 150), (150, 92, 58), (60, 58, 66), (120, 168, 196))
    s = bay.s - bay.width / 2 + 0.3
    while s < bay.s + bay.width / 2 - 0.7:
        width, length = rng.uniform(0.3, 0.6), rng.uniform(0.45, 0.95)
        if rng.random() < 0.6:
            top = base + 2.3
            brush.face(
                [(s, top, 0.8), (s + width, top, 0.8), (s + width, top - length, 0.8), (s, top - length, 0.8)],
                colours[int(rng.integers(len(colours)))],
            )
        s += width + 0.15
