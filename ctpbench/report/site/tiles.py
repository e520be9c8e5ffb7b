"""Images as numbers: lossless PNG of 16 bits, which a page's canvas turns back into values."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np

from ctpbench.arrays import Array

_LARGEST = 2**16 - 2  # steps that 16 bits hold beside the 0 that stands for NaN
_HIGHEST = 8192  # pixels of a sheet; browsers draw none that is much higher


def tile(values: Array, step: float, units: str = "") -> dict[str, Any]:
    """Return a stack of images as a page reads it.

    A value is ``offset + step (raw - 1)`` and NaN where raw is 0; it is off by half a step at most. The PNG is grey, of
    8 bits: image below image, in columns of ``column`` images; in each column raw's high bytes stand on the left, its
    low bytes on the right.

    Parameters
    ----------
    values : array, (z, y, x)
        What is not finite becomes NaN.
    step : float
        The finest difference that matters; a coarser one is taken where the values span more than 16 bits hold.
    units : str

    Returns
    -------
    dict
        ``png`` (base64), ``shape`` (z, y, x), ``column``, ``offset``, ``step`` and ``units``.
    """
    known = np.isfinite(values)
    finite = values[known].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    step = max(step, (high - low) / _LARGEST)
    raw = np.zeros(values.shape, dtype=np.uint16)
    raw[known] = np.rint((finite - low) / step).astype(np.uint16) + 1
    planes = np.concatenate([raw >> 8, raw & 255], axis=2).astype(np.uint8)
    return {**_packed(planes), "shape": list(values.shape), "offset": low, "step": step, "units": units}


def flags(masks: list[Array]) -> dict[str, Any]:
    """Return masks, each bool (z, y, x), as one stack: the first is bit 0 of an image's value, and so on."""
    bits = np.zeros(masks[0].shape, dtype=np.uint8)
    for place, mask in enumerate(masks):
        bits |= np.asarray(mask, dtype=np.uint8) << place
    return {**_packed(bits), "shape": list(bits.shape)}


def _packed(images: Array) -> dict[str, Any]:
    """Return images, (z, y, x), below each other in columns that are no higher than a canvas may be."""
    z, y, x = images.shape
    column = max(1, min(z, _HIGHEST // y))
    columns = -(-z // column)
    padded = np.zeros((columns * column, y, x), dtype=np.uint8)
    padded[:z] = images
    sheet = padded.reshape(columns, column * y, x).transpose(1, 0, 2).reshape(column * y, columns * x)
    return {"png": _png(sheet), "column": column}


def _png(grey: Array) -> str:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(grey).save(file, format="PNG", compress_level=7)
    return base64.b64encode(file.getvalue()).decode("ascii")
