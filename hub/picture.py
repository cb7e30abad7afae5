"""One decoded picture of a camera, as detectors look at it."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The brightness of one decoded frame.

    `luma` is height x width uint8: a view into the decoder's own memory, with a stride; copy what you keep.
    `at` is its instant in seconds since 1970 (chunk epoch + pts), `pts` counts in the chunk's time base.
    `session` changes whenever the camera was connected anew: what was learned of motion does not carry over.
    `key` says that this frame was coded without reference to others.
    """

    camera: str
    site: str
    at: float
    pts: int
    width: int
    height: int
    luma: Luma
    session: str
    key: bool = False
    purpose: str = "live"
