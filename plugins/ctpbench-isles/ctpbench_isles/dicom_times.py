"""When the images of a DICOM series were taken, and by which of its tags that is known."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ctpbench import DataError
from ctpbench.arrays import Float64, Index
from ctpbench_isles.dicom_headers import CLOCKS, COUNTERS, Image

RECONSTRUCTION = "ContentTime"
INTERVAL = "TemporalResolution"
_HALF_DAY_S = 43200.0
_PACE = 0.1
_REGULAR_S, _STRAY_S = 0.001, 0.01  # off what the other images of a frame and of a slice say
_MOST_REGULAR = 0.75  # of the images: else a table that moves, or times that are rounded


class Stamps(NamedTuple):
    """What puts each position's images in order.

    Attributes
    ----------
    tag : str
        Where they are from, as classic images call it.
    values : array, (image), s or a count
    dated : bool
        Whether they are times.
    """

    tag: str
    values: Float64
    dated: bool


def stamps_of(path: Path, images: list[Image], position: Index) -> Stamps:
    """Return the first of `CLOCKS` that all images have and that differs within each position; else of `COUNTERS`.

    Raises
    ------
    DataError
        Where nothing orders them.
    """
    for field, choices in (("clocks", CLOCKS), ("counters", COUNTERS)):
        table = np.array([getattr(image, field) for image in images])
        for (tag, _), values in zip(choices, table.T, strict=True):
            if not np.isfinite(values).all():
                continue
            if len(np.unique(np.stack((position, values)), axis=1).T) == len(images):
                dated = field == "clocks"
                return Stamps(tag, _past_midnight(values) if dated and tag != "TriggerTime" else values, dated)
    raise DataError(
        f"{path}: got no time stamp and no number that differs between the frames of each slice; "
        "allowed: one of either; export the series anew with AcquisitionTime"
    )


def recorded_interval_s(images: list[Image]) -> float | None:
    """Return the time between frames that all headers name alike, if they do."""
    intervals = {image.interval_s for image in images}
    interval_s = intervals.pop()
    return interval_s if not intervals and interval_s > 0 else None


def is_one_after_the_other(times_s: Float64) -> bool:
    """Return whether a series' images, (time, slice), follow each other at one pace, as a reconstruction makes them."""
    if times_s.shape[1] == 1:
        return False
    pace = float(np.median(np.diff(np.sort(times_s.ravel()))))
    interval_s = float(np.median(np.diff(times_s, axis=0)))
    return pace > 0 and abs(interval_s / (pace * times_s.shape[1]) - 1) < _PACE


def stray_notes(times_s: Float64) -> tuple[str, ...]:
    """Return a note where a few images of a series, (time, slice), have times that those of all others contradict.

    An image is as long after the one before it as their slices are in other frames. Of two slices either may stray.
    """
    frames_s = times_s.copy()
    frames_s[:, 1:] -= np.cumsum(np.median(np.diff(times_s, axis=1), axis=0))
    off_s = np.abs(frames_s - np.median(frames_s, axis=1, keepdims=True))
    stray = off_s > _STRAY_S
    if not stray.any() or (off_s < _REGULAR_S).mean() < _MOST_REGULAR:
        return ()
    frame, k = np.unravel_index(off_s.argmax(), off_s.shape)
    return (
        f"times: {stray.sum()} of {stray.size} images have times of their own, such as slice {k + 1} of frame "
        f"{frame + 1}, {off_s.max():.2g} s off what all others say; taken as they are",
    )


def reconstruction_note(times_s: Float64) -> str:
    """Return the warning of a series, (time, slice), that has the times of its reconstruction alone."""
    steps = np.diff(times_s.mean(axis=1))
    gaps = [f"{step:.3g} s after frame {k + 1}" for k, step in enumerate(steps) if step > 1.5 * np.median(steps)]
    text = (
        f"times are from {RECONSTRUCTION}, when images were made and not when they were taken: frames "
        f"{steps.min():.3g} to {steps.max():.3g} s apart by it"
    )
    if gaps:
        text += f", with gaps of {', '.join(gaps[:3])}{' and more' * (len(gaps) > 3)}"
    return (
        text + "; CBF, MTT and Tmax are wrong by the factor that this interval is; give the true one (--frame-interval)"
    )


def _past_midnight(stamps: Float64) -> Float64:
    """Return times of day that go on counting where a scan ran past midnight."""
    return np.where((np.ptp(stamps) > _HALF_DAY_S) & (stamps < _HALF_DAY_S), stamps + 2 * _HALF_DAY_S, stamps)
