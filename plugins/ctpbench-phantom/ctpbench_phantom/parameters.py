"""Parameters that several datasets share, and the limits that bind some of them together."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ctpbench_phantom.scanner.geometry import Window

PixelMm = Annotated[float, Field(gt=0, le=10, examples=[3.2], description="pixel size, mm")]
SliceMm = Annotated[float, Field(gt=0, le=40, description="distance of neighbouring slices, mm")]
Views = Annotated[int, Field(ge=16, multiple_of=8, examples=[120], description="views per rotation, a multiple of 8")]
Detectors = Annotated[
    int, Field(ge=32, multiple_of=2, examples=[96], description="detector elements, which divide an arc of 493.7 mm")
]
FilterWindow = Annotated[Window, Field(description="window of the ramp filter")]
ElectronicSigma = Annotated[float, Field(ge=0, description="electronic noise of a ray, photons (sd)")]
SizePx = Annotated[int, Field(ge=32, le=1024, examples=[64], description="rows and columns of a frame")]
Frames = Annotated[int, Field(ge=4, le=1000, examples=[24], description="frames of a scan, the first at 0 s")]
FrameIntervalS = Annotated[float, Field(ge=0.1, le=5, description="time between frames, s")]

_HEAD_MM = 200.0  # what the field of view must hold


def check_field_of_view(size_px: int, pixel_mm: float) -> None:
    """Raise ValueError where the simulated head does not fit into the image."""
    if size_px * pixel_mm < _HEAD_MM:
        raise ValueError(
            f"size_px {size_px} x pixel_mm {pixel_mm:g}: got a field of view of {size_px * pixel_mm:g} mm; "
            f"allowed: {_HEAD_MM:g} mm or more, to hold the head"
        )


def check_height(top_mm: float, lower: str) -> None:
    """Raise ValueError where slices reach above the simulated head; `lower` says which parameters to lower."""
    from ctpbench_phantom.head import HEIGHT_MM

    if top_mm > HEIGHT_MM:
        raise ValueError(
            f"slices: got {top_mm:g} mm from the lowest to the highest; allowed: {HEIGHT_MM:g} mm, the head's height; "
            f"lower {lower}"
        )


def check_duration(frames: int, frame_interval_s: float, least_s: float, event: str) -> None:
    """Raise ValueError where a scan ends before `least_s`, by when an `event` is over."""
    last_s = (frames - 1) * frame_interval_s
    if last_s < least_s:
        raise ValueError(
            f"frames: got {frames}, the last at {last_s:g} s; allowed: the last at {least_s:g} s or later, after "
            f"{event}; raise frames or frame_interval_s"
        )
