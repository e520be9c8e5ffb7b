"""Stored pixels of DICOM images, and what they are in HU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.pixels import iter_pixels

from ctpbench.arrays import AIR_HU, Float32
from ctpbench_isles.acquired import HEAD_HU, fill_padding
from ctpbench_isles.dicom_headers import Image


class DamagedPixels(Exception):
    """Pixels that no decoder reads; the text is the kind of failure, and quotes nothing of the header."""


def stored_pixels(path: Path, images: list[Image]) -> Iterator[npt.NDArray[np.integer[Any]]]:
    """Yield the stored pixels, (row, column), of images of one file.

    Raises
    ------
    DamagedPixels
        Where they cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote values of the header
            if images[0].bare:  # iter_pixels reads no file without a preamble
                header = dcmread(path, force=True)
                header.file_meta.TransferSyntaxUID = images[0].syntax
                yield from iter_pixels(header, indices=[image.frame for image in images], raw=True)
            else:
                yield from iter_pixels(path, indices=[image.frame for image in images], raw=True)
    except Exception as error:  # decoders raise what they meet; their texts may quote values of the header
        raise DamagedPixels(type(error).__name__) from None


def hounsfield(stored: npt.NDArray[np.integer[Any]], image: Image) -> Float32:
    """Return an image, (row, column), in HU, air where nothing was measured."""
    values = stored * image.slope + image.intercept
    first, last = image.padding
    # Some headers declare a value as padding that tissue has, too.
    values[(stored >= first) & (stored <= last) & (values < HEAD_HU)] = AIR_HU
    fill_padding(values)
    return values.astype(np.float32)
