"""Which DICOM image is which slice of which frame, when each was taken, and where the slices lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctpbench import MAX_LOST, DataError, Stated
from ctpbench.arrays import Float64, Index, Mask
from ctpbench_isles.acquired import MIN_FRAMES
from ctpbench_isles.dicom_headers import CLOCKS, Image
from ctpbench_isles.dicom_overlap import without_overlap
from ctpbench_isles.dicom_times import (
    INTERVAL,
    RECONSTRUCTION,
    Stamps,
    is_one_after_the_other,
    reconstruction_note,
    recorded_interval_s,
    stamps_of,
    stray_notes,
)
from ctpbench_isles.field_of_view import check_dicom
from ctpbench_isles.stated import STATED, stated_times_s

SAME_POSITION_MM = 0.05  # positions are often written to a tenth of a mm
MAX_UNEVEN = 0.01  # of the distance between slices
MAX_DELAY = 0.75  # between neighbouring slices of one frame, of the time to the next frame
MIN_SHUTTLE_DELAY = 0.05  # between the two positions of a shuttle, likewise
MAX_DISAGREEMENT = 0.1  # of the interval that is stated with the one that was recorded
FEW = 0.1  # of the images: whose scale is said if it is not that of all others

GEOMETRY_TAGS = {
    "position": "ImagePositionPatient",
    "orientation": "ImageOrientationPatient",
    "spacing": "PixelSpacing",
    "slope": "RescaleSlope",
    "intercept": "RescaleIntercept",
}


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The images of a series in order.

    Attributes
    ----------
    images : list of lists of Image or None
        By time, then along the normal of the slices; None for one that is missing.
    times_s : array, (time, slice), s
        When each image was taken, from the first.
    time_source : str
        The DICOM tag the times are from, as classic images call it, or that the user stated them.
    affine : array, (4, 4)
        From (column, row, slice) to mm, RAS.
    notes : tuple of str
        What is unsure about the times.
    """

    images: list[list[Image | None]]
    times_s: Float64
    time_source: str
    affine: Float64
    notes: tuple[str, ...]

    @property
    def missing(self) -> Mask:
        """Which images are, (time, slice)."""
        return np.array([[image is None for image in frame] for frame in self.images])


def arrange(path: Path, images: list[Image], stated: Stated) -> FrameTable:
    """Sort a series' images into slices and frames.

    Slices are told apart by their position along the normal. A position's images are put in order by the first of
    `CLOCKS` that all images have and that differs within each position; without one, by the first such of `COUNTERS`,
    and then the times must be stated or the headers name an interval. Slices of one frame may have been taken at
    different times. Where a shuttle stopped at one of its two table positions once more often, the last frame there is
    left out. Up to `MAX_LOST` of the images may be missing.

    Parameters
    ----------
    path : Path
        Of the series, for messages.
    images : list of Image
    stated : Stated
        Times go before the time stamps, which still order the frames.

    Raises
    ------
    DataError
        Where the images are not of one kind and geometry, too many are missing, or there are no times.
    """
    _check_alike(path, images)
    affine, position = _geometry(path, images)
    rows_columns, slices = images[0].size, int(position.max()) + 1
    doubts = check_dicom(path, affine, (*rows_columns[::-1], slices), images[0].thickness)
    stamps = stamps_of(path, images, position)
    rows = [np.flatnonzero(position == k) for k in range(slices)]
    rows = [row[np.argsort(stamps.values[row])] for row in rows]
    rows, overlap = without_overlap(rows, stamps)
    order, taken_s = _frames(path, images, rows, stamps)
    times_s, source, notes = _times(path, images, stated, stamps, taken_s)
    notes = (*doubts, *((overlap,) if overlap else ()), *_scale_notes(images), *notes)
    # What has served its purpose is forgotten: UIDs and times of day lead back to the patient.
    slim = [
        image._replace(instance="", study="", reference="", series="", series_number="", clocks=(), counters=())
        for image in images
    ]
    table = [[slim[n] if n >= 0 else None for n in frame] for frame in order]
    return FrameTable(table, times_s, source, affine, notes)


def _scale_notes(images: list[Image]) -> tuple[str, ...]:
    """Return a note where a few images have another slope or intercept than all the others."""
    slopes = [image.slope for image in images]
    scales = [(image.slope, image.intercept) for image in images]
    for values, tags in ((slopes, "RescaleSlope"), (scales, "RescaleSlope or RescaleIntercept")):
        others = len(images) - Counter(values).most_common(1)[0][1]
        if 0 < others <= FEW * len(images):
            return (f"scale: {others} of {len(images)} images have another {tags} than the rest",)
    return ()


def _times(
    path: Path, images: list[Image], stated: Stated, stamps: Stamps, taken_s: Float64
) -> tuple[Float64, str, tuple[str, ...]]:
    """Return when each image was taken, (time, slice), what says so, and what is unsure about it."""
    frames, slices = taken_s.shape
    recorded_s = taken_s - taken_s.min()
    given_s = stated_times_s(path, stated, frames)
    if given_s is not None:
        given_s -= given_s[0]
        notes: tuple[str, ...] = ()
        if stamps.dated and stamps.tag != RECONSTRUCTION:
            steps = float(np.median(np.diff(given_s))), float(np.median(np.diff(recorded_s, axis=0)))
            if abs(steps[0] / steps[1] - 1) > MAX_DISAGREEMENT:
                notes = (f"times: {steps[0]:.3g} s between frames stated; {stamps.tag} says {steps[1]:.3g} s",)
        return np.repeat(given_s[:, None], slices, axis=1), STATED, notes
    if stamps.dated and stamps.tag != RECONSTRUCTION:
        return recorded_s, stamps.tag, stray_notes(recorded_s)
    interval_s = recorded_interval_s(images)
    if interval_s is not None:
        note = f"times: frames taken as {interval_s:.3g} s apart, which {INTERVAL} says; no image has a time of its own"
        return np.repeat(interval_s * np.arange(frames)[:, None], slices, axis=1), INTERVAL, (note,)
    ask = "give the time between frames in s (--frame-interval), or all times (--frame-times)"
    if not stamps.dated:
        tags = ", ".join(tag for tag, _ in CLOCKS)
        raise DataError(f"{path}: got no time stamp that differs between frames; allowed: one of {tags}; {ask}")
    if is_one_after_the_other(recorded_s):
        pace = float(np.median(np.diff(np.sort(recorded_s.ravel()))))
        raise DataError(
            f"{path}: got {RECONSTRUCTION} alone, which rises by {pace:.3g} s from image to image as images were made, "
            f"not as they were taken; allowed: one of {', '.join(tag for tag, _ in CLOCKS[:-1])}; {ask}"
        )
    return recorded_s, RECONSTRUCTION, (reconstruction_note(recorded_s),)


def _check_alike(path: Path, images: list[Image]) -> None:
    """Raise DataError unless all images are of CT, of one size and kernel."""
    others = [image for image in images if image.modality != "CT"]
    if others:
        raise DataError(f"{others[0].path}: got an image that is no CT with one value a pixel; allowed: CT images only")
    for name, kinds in (
        ("image sizes", Counter(f"{image.size[0]}x{image.size[1]}" for image in images)),
        ("reconstruction kernels", Counter(image.kernel for image in images)),
    ):
        if len(kinds) > 1:
            found = ", ".join(f"{kind or 'none'} ({count} images)" for kind, count in kinds.most_common(10))
            raise DataError(f"{path}: got {name} {found}; allowed: one in a series; keep one in the folder")


def _geometry(path: Path, images: list[Image]) -> tuple[Float64, Index]:
    """Return the affine and, for each image, the number of its slice along the normal."""
    for tag in ("orientation", "spacing"):
        values = np.array([getattr(image, tag) for image in images])
        if np.ptp(values, axis=0).max() > 1e-3:
            name = GEOMETRY_TAGS[tag]
            raise DataError(f"{path}: got images of different {name}; allowed: one in a series; keep one in the folder")
    origins = np.array([image.position for image in images])
    along_row, along_column = np.array(images[0].orientation).reshape(2, 3)
    normal = np.cross(along_row, along_column)
    heights = origins @ normal
    order = np.argsort(heights, kind="stable")
    position = np.empty(len(images), dtype=np.intp)
    position[order] = np.concatenate(([0], np.cumsum(np.diff(heights[order]) > SAME_POSITION_MM)))
    places = np.array([origins[position == k].mean(axis=0) for k in range(int(position.max()) + 1)])
    spacing_y, spacing_x = images[0].spacing
    if not min(spacing_y, spacing_x) > 0:
        raise DataError(f"{path}: got PixelSpacing {spacing_y:g}\\{spacing_x:g}; allowed: two sizes above 0 mm")
    strayed = np.linalg.norm(origins - places[position], axis=1) > min(spacing_x, spacing_y) / 2
    if strayed.any():
        raise DataError(
            f"{images[int(np.argmax(strayed))].path}: got an image aside of the others of its slice; "
            "allowed: one field of view in a series; keep one in the folder"
        )
    affine = np.eye(4)
    affine[:3, 0] = along_row * spacing_x
    affine[:3, 1] = along_column * spacing_y
    affine[:3, 2] = _slice_step(path, images, places, normal)
    affine[:3, 3] = places[0]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, position  # DICOM's x and y run against those of RAS


def _slice_step(path: Path, images: list[Image], places: Float64, normal: Float64) -> Float64:
    """Return the vector from slice to slice, which a tilted gantry leans against the normal."""
    if len(places) == 1:
        if not images[0].thickness > 0:
            raise DataError(f"{path}: got one slice without SliceThickness; allowed: a series with its slices' size")
        return normal * images[0].thickness
    step = (places[-1] - places[0]) / (len(places) - 1)
    even = places[0] + np.arange(len(places))[:, None] * step
    if np.linalg.norm(places - even, axis=1).max() > max(MAX_UNEVEN * np.linalg.norm(step), 2 * SAME_POSITION_MM):
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        raise DataError(
            f"{path}: got slices {steps.min():.3g} to {steps.max():.3g} mm apart; allowed: even distances; a slice may "
            "be missing, or the positions of a shuttle overlap: give slices of one position or without the overlap"
        )
    return np.asarray(step)


def _frames(path: Path, images: list[Image], rows: list[Index], stamps: Stamps) -> tuple[Index, Float64]:
    """Return the number of each image, (time, slice), -1 for one that is missing, and when each was taken.

    `rows` are each slice's images in order of time.
    """
    counts = np.array([len(row) for row in rows])
    frames = int(counts.min())
    order = np.stack([row[:frames] for row in rows], axis=1)
    taken_s = stamps.values[order]
    if counts.max() > frames:
        border = np.flatnonzero(np.diff(counts))
        alike = stamps.dated and frames >= MIN_FRAMES and counts.max() == frames + 1 and len(border) == 1
        if not (alike and _is_shuttle(taken_s, int(border[0]))):
            order, taken_s = _with_gaps(rows, stamps)
            if (order < 0).mean() > MAX_LOST:
                raise DataError(_incomplete(path, images, rows, stamps))
    if len(order) < MIN_FRAMES:
        raise DataError(
            f"{path}: got {len(rows)} slices with {len(order)} images each; allowed: a series in time, "
            f"{MIN_FRAMES} frames or more; give the folder of all its files"
        )
    if stamps.dated:
        late = _late(taken_s)
        if late.any():
            frame, k = np.argwhere(late)[0]
            raise DataError(
                f"{path}: got slices {k + 1} and {k + 2} of frame {frame + 1} too far apart in time; "
                "allowed: all slices in each frame; give one scan, complete"
            )
    return order, taken_s


def _with_gaps(rows: list[Index], stamps: Stamps) -> tuple[Index, Float64]:
    """Return the table of a series some of whose images are missing: each image at the frame closest in time.

    What the times of a frame are, the slices say that have all; where those differ, their mean. A slice is taken later
    than they, or earlier, by what is the median of its images.
    """
    most = max(len(row) for row in rows)
    full = np.mean([stamps.values[row] for row in rows if len(row) == most], axis=0)
    order = np.full((most, len(rows)), -1, dtype=np.intp)
    taken_s = np.empty((most, len(rows)))
    for k, row in enumerate(rows):
        times = stamps.values[row]
        late = 0.0
        for _ in range(2):
            nearest = np.abs(times[:, None] - late - full).argmin(axis=1)
            late = float(np.median(times - full[nearest]))
        # Of two images at one frame the second goes: such a series has more missing than is allowed.
        order[nearest[::-1], k] = row[::-1]
        taken_s[:, k] = full + late
        taken_s[nearest, k] = times
    return order, taken_s


def _is_shuttle(times_s: Float64, border: int) -> bool:
    """Return whether the slices on both sides of a border were taken in turns: apart in time, but never by a frame."""
    delays = np.abs(times_s[:, border + 1] - times_s[:, border])
    interval_s = np.median(np.diff(times_s, axis=0))
    return bool(np.median(delays) > MIN_SHUTTLE_DELAY * interval_s and not _late(times_s).any())


def _late(times_s: Float64) -> Mask:
    """Return (time, slice - 1): where neighbouring slices of a frame were taken about a frame apart."""
    steps = np.diff(times_s, axis=0)
    around = np.maximum(np.vstack((steps[:1], steps)), np.vstack((steps, steps[-1:])))
    delays = np.abs(np.diff(times_s, axis=1))
    return np.asarray(delays > MAX_DELAY * np.maximum(around[:, 1:], around[:, :-1]))


def _incomplete(path: Path, images: list[Image], rows: list[Index], stamps: Stamps) -> str:
    """Return the message for a series that lacks images, with one of them as an example."""
    counts = [len(row) for row in rows]
    short, full = int(np.argmin(counts)), int(np.argmax(counts))
    x, y, z = images[int(rows[short][0])].position
    text = (
        f"{path}: got {sum(counts)} images of {max(counts) * len(rows)} ({len(rows)} slices x {max(counts)} frames); "
        f"allowed: all but {MAX_LOST:.0%}; the slice at ({x:g}, {y:g}, {z:g}) mm, for example, has {counts[short]}"
    )
    if stamps.dated and counts[short]:
        distance = np.abs(stamps.values[rows[full]][:, None] - stamps.values[rows[short]]).min(axis=1)
        when = stamps.values[rows[full]][int(np.argmax(distance))] - stamps.values.min()
        text += f", none near {when:.3g} s"
    return text + "; fetch the missing files, or leave out what is incomplete"
