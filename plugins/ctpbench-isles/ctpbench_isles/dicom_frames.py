"""Which DICOM image is which slice of which frame, when each was taken, and where the slices lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctpbench import DataError
from ctpbench.arrays import Float64, Index, Mask
from ctpbench_isles.acquired import MIN_FRAMES
from ctpbench_isles.dicom_headers import CLOCKS, COUNTERS, Image

SAME_POSITION_MM = 0.05  # positions are often written to a tenth of a mm
MAX_UNEVEN = 0.01  # of the distance between slices
MAX_DELAY = 0.75  # between neighbouring slices of one frame, of the time to the next frame
MIN_SHUTTLE_DELAY = 0.05  # between the two positions of a shuttle, likewise
HALF_DAY_S = 43200.0

_GEOMETRY_TAGS = {
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
    images : list of lists of Image
        By time, then along the normal of the slices.
    times_s : array, (time, slice), s
        When each image was taken, from the first.
    time_source : str
        The DICOM tag the times are from, as classic images call it, or ``"frame_interval_s"``.
    affine : array, (4, 4)
        From (column, row, slice) to mm, RAS.
    """

    images: list[list[Image]]
    times_s: Float64
    time_source: str
    affine: Float64


def arrange(path: Path, images: list[Image], frame_interval_s: float | None) -> FrameTable:
    """Sort a series' images into slices and frames.

    Slices are told apart by their position along the normal. A position's images are put in order by the first of
    `CLOCKS` that all images have and that differs within each position; without one, by the first such of `COUNTERS`,
    and then `frame_interval_s` must be known. Slices of one frame may have been taken at different times. Where a
    shuttle stopped at one of its two table positions once more often, the last frame there is left out.

    Parameters
    ----------
    path : Path
        Of the series, for messages.
    images : list of Image
    frame_interval_s : float or None
        Time from frame to frame where the user gives it; goes before the time stamps, which still order the frames.

    Raises
    ------
    DataError
        Where the images are not one series, are not of one geometry, are not complete, or have no times.
    """
    if frame_interval_s is not None and not 0 < frame_interval_s < np.inf:
        raise DataError(f"{path}: frame_interval_s: got {frame_interval_s}; allowed: above 0, in s")
    _check_one_series(path, images)
    affine, position = _geometry(path, images)
    source, stamps, dated = _stamps(path, images, position)
    rows = [np.flatnonzero(position == k) for k in range(int(position.max()) + 1)]
    rows = [row[np.argsort(stamps[row])] for row in rows]
    order = _common_frames(path, images, rows, stamps, dated)
    if frame_interval_s is None and not dated:
        tags = ", ".join(tag for tag, _ in CLOCKS)
        raise DataError(
            f"{path}: got no time stamp that differs between frames; allowed: one of {tags}; "
            "give frame_interval_s (--frame-interval), in s"
        )
    if frame_interval_s is None:
        times_s = stamps[order] - stamps[order].min()
    else:
        times_s = np.repeat(frame_interval_s * np.arange(len(order), dtype=np.float64)[:, None], len(rows), axis=1)
    # What has served its purpose is forgotten: UIDs and times of day lead back to the patient.
    slim = [image._replace(instance="", series="", series_number="", clocks=(), counters=()) for image in images]
    table = [[slim[n] for n in frame] for frame in order]
    return FrameTable(table, times_s, source if frame_interval_s is None else "frame_interval_s", affine)


def _check_one_series(path: Path, images: list[Image]) -> None:
    """Raise DataError unless all images are of one CT series, of one size and kernel, each there once."""
    files = Counter((image.series, image.series_number) for image in images)
    if len(files) > 1:
        first = {(image.series, image.series_number): image for image in reversed(images)}
        found = "; ".join(
            f"series {key[1]}: {count} images, such as {first[key].path.relative_to(path)}"
            for key, count in files.most_common(10)
        )
        raise DataError(f"{path}: got {len(files)} DICOM series; allowed: one; give one series' folder: {found}")
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
    seen: dict[str, Image] = {}
    for image in images:
        if image.instance in seen:
            twin = seen[image.instance].path
            raise DataError(f"{image.path}: got the same image as {twin}; allowed: each once; keep one of them")
        seen[image.instance] = image


def _geometry(path: Path, images: list[Image]) -> tuple[Float64, Index]:
    """Return the affine and, for each image, the number of its slice along the normal."""
    for field, tag in _GEOMETRY_TAGS.items():
        values = np.array([getattr(image, field) for image in images]).reshape(len(images), -1)
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            file = images[int(np.argmax(bad))].path
            raise DataError(f"{file}: got no {tag}; allowed: CT images with their place and their scale in HU")
        if tag in ("ImageOrientationPatient", "PixelSpacing") and np.ptp(values, axis=0).max() > 1e-3:
            raise DataError(f"{path}: got images of different {tag}; allowed: one in a series; keep one in the folder")
    origins = np.array([image.position for image in images])
    along_row, along_column = np.array(images[0].orientation).reshape(2, 3)
    normal = np.cross(along_row, along_column)
    heights = origins @ normal
    order = np.argsort(heights, kind="stable")
    position = np.empty(len(images), dtype=np.intp)
    position[order] = np.concatenate(([0], np.cumsum(np.diff(heights[order]) > SAME_POSITION_MM)))
    places = np.array([origins[position == k].mean(axis=0) for k in range(int(position.max()) + 1)])
    spacing_y, spacing_x = images[0].spacing
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


def _stamps(path: Path, images: list[Image], position: Index) -> tuple[str, Float64, bool]:
    """Return the tag that orders each position's images, its values, and whether they are times."""
    for field, choices in (("clocks", CLOCKS), ("counters", COUNTERS)):
        table = np.array([getattr(image, field) for image in images])
        for (tag, _), stamps in zip(choices, table.T, strict=True):
            if not np.isfinite(stamps).all():
                continue
            if len(np.unique(np.stack((position, stamps)), axis=1).T) == len(images):
                dated = field == "clocks"
                return tag, _past_midnight(stamps) if dated and tag != "TriggerTime" else stamps, dated
    raise DataError(
        f"{path}: got no time stamp and no number that differs between the frames of each slice; "
        "allowed: one of either; export the series anew with AcquisitionTime"
    )


def _past_midnight(stamps: Float64) -> Float64:
    """Return times of day that go on counting where a scan ran past midnight."""
    return np.where((np.ptp(stamps) > HALF_DAY_S) & (stamps < HALF_DAY_S), stamps + 2 * HALF_DAY_S, stamps)


def _common_frames(path: Path, images: list[Image], rows: list[Index], stamps: Float64, dated: bool) -> Index:
    """Return the number of each image (time, slice); `rows` are each slice's images in order of time."""
    counts = np.array([len(row) for row in rows])
    frames = int(counts.min())
    order = np.stack([row[:frames] for row in rows], axis=1)
    if counts.max() > frames:
        border = np.flatnonzero(np.diff(counts))
        alike = dated and frames >= MIN_FRAMES and counts.max() == frames + 1 and len(border) == 1
        if not (alike and _is_shuttle(stamps[order], int(border[0]))):
            raise DataError(_incomplete(path, images, rows, stamps, dated))
    if frames < MIN_FRAMES:
        raise DataError(
            f"{path}: got {len(rows)} slices with {frames} images each; allowed: a series in time, "
            f"{MIN_FRAMES} frames or more; give the folder of all its files"
        )
    if dated:
        late = _late(stamps[order])
        if late.any():
            frame, k = np.argwhere(late)[0]
            raise DataError(
                f"{path}: got slices {k + 1} and {k + 2} of frame {frame + 1} too far apart in time; "
                "allowed: all slices in each frame; give one scan, complete"
            )
    return order


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


def _incomplete(path: Path, images: list[Image], rows: list[Index], stamps: Float64, dated: bool) -> str:
    """Return the message for a series that lacks images, with one of them as an example."""
    counts = [len(row) for row in rows]
    short, full = int(np.argmin(counts)), int(np.argmax(counts))
    x, y, z = images[int(rows[short][0])].position
    text = (
        f"{path}: got {sum(counts)} images of {max(counts) * len(rows)} ({len(rows)} slices x {max(counts)} frames); "
        f"allowed: all of them; the slice at ({x:g}, {y:g}, {z:g}) mm, for example, has {counts[short]}"
    )
    if dated and counts[short]:
        distance = np.abs(stamps[rows[full]][:, None] - stamps[rows[short]]).min(axis=1)
        when = stamps[rows[full]][int(np.argmax(distance))] - stamps.min()
        text += f", none near {when:.3g} s"
    return text + "; fetch the missing files, or leave out what is incomplete"
