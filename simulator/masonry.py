"""The flat part of a facade: plaster, floor lines, windows, air conditioners, painted square on."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np

from simulator.optics import Picture

Colour = tuple[int, int, int]
"""Blue, green, red, 0..255."""

TEXELS = 44
"""Texture points per metre of wall: about what the lowest visible floor gets in a 720p picture."""
SILL, LINTEL = 0.95, 2.35
"""Lower and upper edge of a window, metres over its floor."""


class Bay(msgspec.Struct, frozen=True):
    """One column of a facade: `kind` window, narrow or balcony; its middle and width in m."""

    kind: str
    s: float
    width: float


class Facade(msgspec.Struct, frozen=True, kw_only=True):
    """A building's front: `storeys` floors of `storey` m, `width` m wide. Floor 1 stands on the ground."""

    storeys: int = 11
    storey: float = 2.9
    width: float = 25.0
    paint: Colour = (172, 192, 203)
    accent: Colour = (92, 112, 148)
    bays: tuple[Bay, ...] = (
        Bay("balcony", -9.4, 4.2),
        Bay("window", -5.6, 1.9),
        Bay("narrow", -2.7, 1.0),
        Bay("narrow", 2.7, 1.0),
        Bay("window", 5.6, 1.9),
        Bay("balcony", 9.4, 4.2),
    )
    seed: int = 1

    @property
    def top(self) -> float:
        """Height of the roof's edge in m, parapet included."""
        return self.storeys * self.storey + 1.1


def shade(colour: Colour, factor: float) -> Colour:
    """The colour in more (> 1) or less light."""
    blue, green, red = (min(255, round(part * factor)) for part in colour)
    return (blue, green, red)


class _Sheet(msgspec.Struct, frozen=True):
    """A wall laid flat: metres in, texture points out."""

    texture: Picture
    width: float

    def box(self, s: float, h: float, width: float, height: float, colour: Colour) -> None:
        """Fill `width` x `height` m whose left edge is s and whose lower edge is h."""
        left = round((s + self.width / 2) * TEXELS)
        bottom = len(self.texture) - round(h * TEXELS)
        right, top = left + round(width * TEXELS), bottom - round(height * TEXELS)
        cv2.rectangle(self.texture, (left, top), (right - 1, bottom - 1), colour, -1)

    def darken(self, s: float, h: float, width: float, height: float, factor: float) -> None:
        """Put a soft shadow or stain over what is there."""
        left = max(round((s + self.width / 2) * TEXELS), 0)
        bottom = max(len(self.texture) - round(h * TEXELS), 0)
        part = self.texture[max(bottom - round(height * TEXELS), 0) : bottom, left : left + round(width * TEXELS)]
        part[:] = (part * factor).astype(np.uint8)


def wall_texture(facade: Facade, rng: np.random.Generator) -> Picture:
    """The front as a flat picture, `TEXELS` points per metre, row 0 at the roof's edge."""
    sheet = _Sheet(_plaster(facade, rng), facade.width)
    half = facade.width / 2
    for s, width in ((-0.9, 1.8), (-half, 0.7), (half - 0.7, 0.7)):
        sheet.box(s, 0, width, facade.top, facade.accent)
    sheet.box(-half, 0, facade.width, facade.storey, shade(facade.accent, 0.9))
    for floor in range(1, facade.storeys + 1):
        _storey(sheet, facade, (floor - 1) * facade.storey, rng)
    sheet.box(-half, facade.top - 1.1, facade.width, 1.1, shade(facade.paint, 0.84))
    sheet.box(-half, facade.top - 0.25, facade.width, 0.25, shade(facade.paint, 1.1))
    return sheet.texture


def _plaster(facade: Facade, rng: np.random.Generator) -> Picture:
    rows, columns = round(facade.top * TEXELS), round(facade.width * TEXELS)
    wall = np.full((rows, columns, 3), facade.paint, np.float32)
    stains = cv2.resize(rng.normal(0, 1, (rows // 60, columns // 25)).astype(np.float32), (columns, rows))
    streaks = cv2.resize(rng.normal(0, 1, (6, columns // 6)).astype(np.float32), (columns, rows))
    grain = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    wall += (stains * 2.4 + streaks * 1.8 + grain * 2.5)[..., None]
    plaster = np.clip(wall, 0, 255).astype(np.uint8)
    joints = plaster[:: round(0.725 * TEXELS)]
    joints[:] = (joints * 0.95).astype(np.uint8)
    return plaster


def _storey(sheet: _Sheet, facade: Facade, base: float, rng: np.random.Generator) -> None:
    half = facade.width / 2
    sheet.box(-half, base, facade.width, 0.15, shade(facade.paint, 1.1))
    sheet.box(-half, base - 0.05, facade.width, 0.05, shade(facade.paint, 0.72))
    sheet.box(-0.5, base + 1.3, 1.0, 1.1, (112, 104, 92))
    sheet.box(-0.02, base + 1.3, 0.05, 1.1, (205, 208, 208))
    for bay in facade.bays:
        if bay.kind == "balcony":
            sheet.box(bay.s - bay.width / 2, base + 0.15, bay.width, facade.storey - 0.35, shade(facade.paint, 0.68))
            _window(sheet, Bay("door", bay.s, 2.8), base + 0.15, 2.25, rng)
            continue
        _window(sheet, bay, base + SILL, LINTEL - SILL, rng)
        if bay.kind == "window" and rng.random() < 0.75:
            _air_conditioner(sheet, bay.s + bay.width / 2 + 0.12, base + 0.5, rng)


def _window(sheet: _Sheet, bay: Bay, base: float, height: float, rng: np.random.Generator) -> None:
    """A frame, glass that mirrors the sky in its upper part, often a curtain, seldom a lamp."""
    left, width = bay.s - bay.width / 2, bay.width
    sheet.box(left - 0.07, base - 0.07, width + 0.14, height + 0.14, (218, 220, 220))
    tone = rng.uniform(0.75, 1.2)
    steps = 12
    for step in range(steps):
        light = (0.55 + 0.65 * step / steps) * tone
        sheet.box(left, base + height * step / steps, width, height / steps + 0.03, shade((128, 112, 96), light))
    if rng.random() < 0.5:
        colour: Colour = ((186, 196, 206), (150, 160, 186), (178, 186, 176))[int(rng.integers(3))]
        share = rng.uniform(0.2, 0.45)
        start = left if rng.random() < 0.5 else left + width * (1 - share)
        for fold in np.arange(0, share * width, 0.12):
            sheet.box(start + fold, base, 0.12, height, shade(colour, rng.uniform(0.72, 0.95)))
    elif rng.random() < 0.12:
        sheet.box(left + 0.1, base + 0.1, width - 0.2, height - 0.2, (140, 196, 222))
    panes = max(2, round(width / 0.8))
    for pane in range(1, panes):
        sheet.box(left + width * pane / panes - 0.03, base, 0.06, height, (212, 214, 214))
    sheet.box(left, base + height * 0.68, width, 0.05, (212, 214, 214))
    sheet.darken(left, base + height - 0.14, width, 0.14, 0.6)
    sheet.box(left - 0.12, base - 0.13, width + 0.24, 0.08, (210, 214, 216))
    sheet.darken(left - 0.05, base - 0.5, width + 0.1, 0.36, 0.94)


def _air_conditioner(sheet: _Sheet, left: float, base: float, rng: np.random.Generator) -> None:
    sheet.darken(left + 0.08, base - 0.9, 0.25, 0.9, 0.9)
    sheet.box(left - 0.03, base - 0.06, 0.95, 0.06, (90, 92, 94))
    sheet.box(left, base, 0.88, 0.62, shade((210, 212, 212), rng.uniform(0.82, 1.0)))
    middle = (round((left + 0.3 + sheet.width / 2) * TEXELS), len(sheet.texture) - round((base + 0.31) * TEXELS))
    cv2.circle(sheet.texture, middle, round(0.24 * TEXELS), (120, 122, 124), -1, cv2.LINE_AA)
    cv2.circle(sheet.texture, middle, round(0.2 * TEXELS), (88, 90, 92), 2, cv2.LINE_AA)
    sheet.darken(left + 0.04, base - 0.2, 0.9, 0.14, 0.8)
