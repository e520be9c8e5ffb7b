"""The JSON beside a NIfTI file: what converters write of a scan's times, which NIfTI itself cannot hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ctpbench import DataError
from ctpbench.arrays import Float64
from ctpbench_isles.file_kinds import stem_of

_TIMES = ("VolumeTiming", "FrameTimesStart")  # BIDS, dcm2niix; each a time a frame, s
_INTERVAL = "RepetitionTime"  # s


class Sidecar(NamedTuple):
    """Times of a scan and the field they are from; `times_s` is None where there is none."""

    field: str
    times_s: Float64 | None


def read_sidecar(path: Path, frames: int) -> Sidecar:
    """Return the times that the JSON file beside a NIfTI file holds.

    Raises
    ------
    DataError
        Where it cannot be read, or its times are not those of this scan; names it.

    Source: the Brain Imaging Data Structure, for VolumeTiming and RepetitionTime; dcm2niix, for FrameTimesStart.
    """
    place = path.with_name(f"{stem_of(path)}.json")
    if not place.is_file():
        return Sidecar("", None)
    try:
        held = json.loads(place.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{place}: cannot be read ({type(error).__name__}); mend it, or move it away") from None
    if not isinstance(held, dict):
        return Sidecar("", None)
    for field in _TIMES:
        if held.get(field) is not None:
            return Sidecar(field, _times(place, field, held[field], frames))
    interval = held.get(_INTERVAL)
    if interval is None:
        return Sidecar("", None)
    if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0 < interval < np.inf:
        raise DataError(f"{place}: {_INTERVAL}: got {interval!r}; allowed: seconds, above 0; mend it, or move it away")
    return Sidecar(_INTERVAL, interval * np.arange(frames, dtype=np.float64))


def _times(place: Path, field: str, value: Any, frames: int) -> Float64:
    numbers = isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in value
    )
    times_s = np.asarray(value if numbers else [], dtype=np.float64)
    if times_s.shape != (frames,) or not np.isfinite(times_s).all() or not (np.diff(times_s) > 0).all():
        got = f"{len(value)} values" if isinstance(value, list) else type(value).__name__
        raise DataError(
            f"{place}: {field}: got {got} for {frames} frames; allowed: a rising time in s a frame; mend it, move it "
            "away, or give the times (--frame-times)"
        )
    return times_s - times_s[0]
