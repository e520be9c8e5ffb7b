"""Images that are there twice: known by their pixels, whatever their UIDs and names say."""

from __future__ import annotations

import hashlib

import numpy as np

from ctpbench import DataError
from ctpbench_isles.acquired import MIN_FRAMES
from ctpbench_isles.dicom_headers import Image
from ctpbench_isles.dicom_pixels import stored_pixels


def without_doubles(images: list[Image]) -> tuple[list[Image], int]:
    """Return images without those whose pixels, place and times another has too, and how many those were.

    Pixels are read of images only whose place and times another shares. A number of the instance is no time: a series
    that was fetched twice counts on.

    Raises
    ------
    DataError
        Where two images differ that a clock puts at one place and time, as two reconstructions of one scan do.
    """
    alike: dict[tuple[object, ...], list[Image]] = {}
    for image in images:
        times = tuple(repr(number) for number in (*image.clocks, *image.counters[:-1]))
        alike.setdefault((tuple(round(x, 2) for x in image.position), times), []).append(image)
    told_apart = _has_clock(images)
    dropped: set[tuple[object, int]] = set()
    for group in alike.values():
        if len(group) == 1:
            continue
        seen: dict[str, Image] = {}
        for image in group:
            digest = _digest(image)
            if digest in seen:
                dropped.add((image.path, image.frame))
            elif seen and told_apart:
                twin = next(iter(seen.values())).path
                raise DataError(
                    f"{image.path}: got another image of the place and time of {twin}; allowed: one of each, of one "
                    "reconstruction; keep one of them in the folder"
                )
            seen[digest] = image
    return [image for image in images if (image.path, image.frame) not in dropped], len(dropped)


def _has_clock(images: list[Image]) -> bool:
    """Return whether all images have a time of the same kind, and it differs from frame to frame."""
    clocks = np.array([image.clocks for image in images])
    return any(np.isfinite(times).all() and len(np.unique(times)) >= MIN_FRAMES for times in clocks.T)


def _digest(image: Image) -> str:
    (pixels,) = stored_pixels(image.path, [image])
    scale = np.array([image.slope, image.intercept]).tobytes()
    return hashlib.sha256(scale + np.ascontiguousarray(pixels).tobytes()).hexdigest()
