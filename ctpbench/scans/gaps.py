"""Images that a scan lacks or that cannot be used: found by what they hold, filled from the frames around, and told.

An image is one slice of one frame. What is lost at either end of the scan shortens it; what is lost within is
interpolated in time. A scan that lost more than `MAX_LOST` of its images, or of its frames, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.contract.series import MAX_LOST, Format, Series, Volume
from ctpbench.errors import DataError
from ctpbench.perfusion.concentration import interpolate

_HEAD_HU = -500.0
_MIN_HEAD = 0.02  # of an image: with less head in it, nothing is said of what it lacks
_MIN_SHARE = 0.5  # of the head that a slice usually shows
_UNLIKE_HU, _UNLIKE_SHARE = 150.0, 0.5  # contrast changes vessels by more, but no half of an image
_SHIFTED_HU = 25.0  # nor does it lift half of the head by as much
_LOOKED_AT = 4096  # pixels of an image whose shift is taken
_EXAMPLES = 9  # images that make the usual one of a slice
_BOTH_WAYS = 0.3  # of the pixels that change: noise takes half of them up and half down


@dataclass(frozen=True, eq=False)
class Faults:
    """Which images of a scan cannot be used.

    Attributes
    ----------
    empty : ndarray, (time, z), bool
        One value throughout, or half of the head gone.
    unlike : ndarray, (time, z), bool
        Half of the image is far from what the slice usually shows, or all of the head is higher or lower: another
        scale, another place.
    copied : ndarray, (time, z), bool
        To the last pixel the image before, in a scan whose noise changes from frame to frame.
    """

    empty: Mask
    unlike: Mask
    copied: Mask

    @classmethod
    def of(cls, frames: Float32) -> Faults:
        """Look at some slices, (time, slices, y, x), float32, HU."""
        parts = [_slice_faults(frames[:, z]) for z in range(frames.shape[1])]
        return cls(*(np.stack(part, axis=1) for part in zip(*parts, strict=True)))

    @classmethod
    def joined(cls, parts: Iterable[Faults]) -> Faults:
        """Put those of neighbouring slabs together."""
        tables = [(part.empty, part.unlike, part.copied) for part in parts]
        return cls(*(np.concatenate(table, axis=1) for table in zip(*tables, strict=True)))

    def placed(self, frames: slice, n_frames: int) -> Faults:
        """Return the same of a scan of so many frames, of which these were looked at."""
        tables = []
        for mask in (self.empty, self.unlike, self.copied):
            whole = np.zeros((n_frames, mask.shape[1]), np.bool_)
            whole[frames] = mask
            tables.append(whole)
        return Faults(*tables)

    @property
    def many_copies(self) -> bool:
        """Whether so many are copies that the scan was sampled up, not that a frame was sent twice."""
        return float(self.copied.mean()) > MAX_LOST

    @property
    def lost(self) -> Mask:
        """What cannot be used, (time, z)."""
        return self.empty | self.unlike | (np.zeros_like(self.copied) if self.many_copies else self.copied)

    def notes(self) -> list[str]:
        """Return what was found, a sentence each."""
        reasons = {"empty": self.empty, "unlike the others in half of the image": self.unlike & ~self.empty}
        if not self.many_copies:
            reasons["as the frame before, to the last pixel"] = self.copied
        texts = [f"left out: {listed(mask)} ({why})" for why, mask in reasons.items() if mask.any()]
        if self.many_copies:
            texts.append(
                f"copies: {int(self.copied.all(axis=1).sum())} of {len(self.copied)} frames are the frame before, to "
                "the last pixel; the scan was brought to a shorter interval than it was taken at"
            )
        return texts


class Bridged(Series):
    """A scan without the frames at its ends that lost images; images lost within are interpolated in time.

    Parameters
    ----------
    source : Series
    lost : array, (time, z), bool

    Attributes
    ----------
    kept : slice
        Of the source's frames.

    Raises
    ------
    DataError
        Where too much is lost; names the scan.
    """

    def __init__(self, source: Series, lost: Mask) -> None:
        self._source = source
        whole = np.flatnonzero(~lost.any(axis=1))
        n_frames = len(lost)
        ends = n_frames - (int(whole[-1]) + 1 - int(whole[0])) if whole.size else n_frames
        if lost.mean() > MAX_LOST or ends > MAX_LOST * n_frames:
            raise DataError(
                f"{source.path}: got {int(lost.sum())} of {lost.size} images (slices x frames) that are missing or "
                f"cannot be used: {listed(lost)}; allowed: up to {MAX_LOST:.0%} of the images, and of the frames at "
                "the ends; fetch the scan again, whole"
            )
        self.kept = slice(int(whole[0]), int(whole[-1]) + 1)
        self._lost: Mask = lost[self.kept]
        times_s = source.frame_times_s[self.kept]
        self.path, self.spacing_mm, self.formats = source.path, source.spacing_mm, source.formats
        self.shape = (len(times_s), *source.shape[1:])
        self.frame_times_s: Float64 = times_s - times_s.min()

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the source noticed while it was read."""
        return self._source.notes

    @property
    def facts(self) -> Mapping[str, bool | float | str]:  # type: ignore[override]
        """The source's, and how many images were filled."""
        return {**self._source.facts, "images_interpolated": int(self._lost.sum())}

    @property
    def unread(self) -> Mapping[Path, str]:  # type: ignore[override]
        """The source's."""
        return self._source.unread

    def read(self, slices: slice) -> Float32:
        """Return some slices with what is lost filled; see `Series.read`."""
        frames = self._source.read(slices)[self.kept]
        for z, lost in enumerate(self._lost[:, slices].T):
            if lost.any():
                times_s = self.frame_times_s[:, slices][:, z]
                frames[lost, z] = interpolate(frames[~lost, z], times_s[~lost], times_s[lost])
        return frames

    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        return self._source.create(folder, name, format, times_s=times_s, units=units)


def listed(lost: Mask) -> str:
    """Return which images are meant, counted from 1: ``frame 45 and slices 3, 4 of frame 20``."""
    whole = [int(frame) + 1 for frame in np.flatnonzero(lost.all(axis=1))]
    texts = [f"frame{'s' * (len(whole) > 1)} {_ranges(whole)}"] if whole else []
    parts: dict[str, list[int]] = {}
    for frame in np.flatnonzero(lost.any(axis=1) & ~lost.all(axis=1)):
        slices = [int(z) + 1 for z in np.flatnonzero(lost[frame])]
        parts.setdefault(f"slice{'s' * (len(slices) > 1)} {_ranges(slices)}", []).append(int(frame) + 1)
    texts += [f"{slices} of frame{'s' * (len(of) > 1)} {_ranges(of)}" for slices, of in parts.items()]
    return " and ".join(texts)


def _ranges(numbers: list[int]) -> str:
    """Return rising numbers, neighbours as a range: ``3, 5-7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _slice_faults(images: Float32) -> tuple[Mask, Mask, Mask]:
    """Return which images of one slice, (time, y, x), are empty, unlike the others, or copies."""
    flat = images.reshape(len(images), -1)
    constant: Mask = flat.min(axis=1) == flat.max(axis=1)
    some = np.linspace(0, len(flat) - 1, min(len(flat), _EXAMPLES)).astype(np.intp)
    usual = np.median(flat[some], axis=0)
    head = (flat > _HEAD_HU).mean(axis=1)
    usual_head = float(np.median(head))
    cut: Mask = (head < _MIN_SHARE * usual_head) & (usual_head > _MIN_HEAD)
    empty = cut | (constant & (usual.min() < usual.max()))
    unlike: Mask = np.array([(np.abs(image - usual) > _UNLIKE_HU).mean() > _UNLIKE_SHARE for image in flat])
    pixels = np.flatnonzero(usual > _HEAD_HU)  # in air another slope changes nothing
    if not pixels.size:
        pixels = np.arange(usual.size)
    pixels = pixels[:: max(1, pixels.size // _LOOKED_AT)]
    unlike |= np.abs(np.median(flat[:, pixels] - usual[pixels], axis=1)) > _SHIFTED_HU
    changed = [after - before for before, after in pairwise(flat)]
    same = np.array([not difference.any() for difference in changed])
    copied = np.concatenate(([False], same)) & ~constant & _is_noisy(changed)
    return empty, unlike, copied


def _is_noisy(changes: list[Float32]) -> bool:
    """Return whether changes from frame to frame go both ways, as those of noise do and those of a bolus do not."""
    both = [min((change > 0).sum(), (change < 0).sum()) / max(1, np.count_nonzero(change)) for change in changes]
    return float(np.median([share for share in both if share] or [0.0])) > _BOTH_WAYS
