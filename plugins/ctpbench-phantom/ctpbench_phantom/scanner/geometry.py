"""Where the source, the rays and the pixels are.

One set of axes serves the whole scanner: x grows with the column, y grows with the row, both in mm from the
isocentre, which is the middle of the image. At view angle beta the source is at R (sin beta, -cos beta), and
the ray at fan angle gamma runs along (-sin(beta + gamma), cos(beta + gamma)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from ctpbench.arrays import Float64

MU_WATER = 0.019
"""Attenuation of water, 1/mm: the value at which an image reads 0 HU."""

TURNS = 4
"""Quarters of a rotation: what one does to an image, the next one does to the image turned."""

Window = Literal["hann", "ramp", "shepp-logan", "cosine", "hamming"]
WINDOWS: tuple[str, ...] = get_args(Window)


def _require_positive(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{owner}: {name}: got {value!r}; allowed: a finite number above 0")


@dataclass(frozen=True)
class FanBeam:
    """An equiangular fan beam that turns once around the isocentre. The defaults are Table I of Wu, Ren and Li.

    Attributes
    ----------
    views : int
        Views in one rotation, a multiple of 4: the projector sweeps a quarter turn for all four at once.
    detectors : int
        Detector elements on an arc centred on the source, at least 2.
    pitch_mm : float
        Width of one element, as arc length at the detector.
    source_iso_mm, source_detector_mm : float
        Distance from the source to the isocentre and to the detector.
    """

    views: int = 1152
    detectors: int = 384
    pitch_mm: float = 1.2858
    source_iso_mm: float = 595.0
    source_detector_mm: float = 1086.5

    def __post_init__(self) -> None:
        if self.views < 4 or self.views % 4:
            raise ValueError(f"FanBeam: views: got {self.views!r}; allowed: a multiple of 4, such as 1152")
        if self.detectors < 2:
            raise ValueError(f"FanBeam: detectors: got {self.detectors!r}; allowed: 2 or more")
        _require_positive("FanBeam", pitch_mm=self.pitch_mm, source_iso_mm=self.source_iso_mm)
        _require_positive("FanBeam", source_detector_mm=self.source_detector_mm)
        half_deg = math.degrees(self.detectors * self.step_rad / 2)
        if half_deg >= 45:
            raise ValueError(
                f"FanBeam: got a fan that opens {half_deg:.1f} degrees to each side; allowed: less than 45; "
                "lower detectors or pitch_mm, or raise source_detector_mm"
            )

    @property
    def step_rad(self) -> float:
        """Angle between two neighbouring rays, rad."""
        return self.pitch_mm / self.source_detector_mm

    def ray_angles(self) -> Float64:
        """Return the fan angles of the elements' centres, (detector), rad."""
        return (np.arange(self.detectors) - (self.detectors - 1) / 2) * self.step_rad

    def edge_angles(self) -> Float64:
        """Return the fan angles of the elements' borders, (detector + 1), rad."""
        return (np.arange(self.detectors + 1) - self.detectors / 2) * self.step_rad

    def view_angles(self) -> Float64:
        """Return the angles of the source, (view), rad."""
        return np.arange(self.views) * (2 * np.pi / self.views)


@dataclass(frozen=True)
class Scanner:
    """Everything between a series and its reconstruction that decides the values, apart from dose and seed.

    Attributes
    ----------
    fan : FanBeam
    pixel_mm : float
        Side of a pixel of the scanned and of the reconstructed images.
    window : {"hann", "ramp", "shepp-logan", "cosine", "hamming"}
        What the ramp filter is multiplied with; "ramp" leaves it as it is.
    cutoff : float
        Where the window ends, as a fraction of the detector's Nyquist frequency, in (0, 1].
    electronic_sigma : float
        Standard deviation of the electronic noise added to the counts, in photons; 0 for none.
    """

    fan: FanBeam = field(default_factory=FanBeam)
    pixel_mm: float = 1.0
    window: Window = "hann"
    cutoff: float = 1.0
    electronic_sigma: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("Scanner", pixel_mm=self.pixel_mm)
        if self.window not in WINDOWS:
            raise ValueError(f"Scanner: window: got {self.window!r}; allowed: {', '.join(WINDOWS)}")
        if not 0 < self.cutoff <= 1:
            raise ValueError(f"Scanner: cutoff: got {self.cutoff!r}; allowed: above 0 and up to 1, which is Nyquist")
        if not (math.isfinite(self.electronic_sigma) and self.electronic_sigma >= 0):
            raise ValueError(f"Scanner: electronic_sigma: got {self.electronic_sigma!r}; allowed: 0 or more")


def check_grid(shape: tuple[int, ...], pixel_mm: float, fan: FanBeam) -> int:
    """Return the side of a square image (y, x) that fits inside the source's orbit.

    Raises
    ------
    ValueError
        Where the image is not square, is empty, or its corners reach the source.
    """
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
        raise ValueError(f"scanner: image: got shape {tuple(shape)}; allowed: square, such as (256, 256)")
    _require_positive("scanner", pixel_mm=pixel_mm)
    corner_mm = shape[0] * pixel_mm / math.sqrt(2)
    if corner_mm >= fan.source_iso_mm:
        raise ValueError(
            f"scanner: image: got corners {corner_mm:.0f} mm from the isocentre; allowed: less than "
            f"{fan.source_iso_mm:.0f} mm, where the source is; lower the size or pixel_mm, or raise source_iso_mm"
        )
    return shape[0]


def check_sinograms(shape: tuple[int, ...], fan: FanBeam) -> None:
    """Raise ValueError where a shape is not (n, views, detectors) of this fan."""
    if len(shape) != 3 or shape[1:] != (fan.views, fan.detectors):
        raise ValueError(f"scanner: sinograms: got shape {tuple(shape)}; allowed: (n, {fan.views}, {fan.detectors})")
