"""Smooth random fields in three dimensions: what folds the cortex, bends vessels and varies the tissue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctpbench.arrays import Float32, Float64

_SIDE = 48  # lattice points along each axis
_POINTS_PER_WAVELENGTH = 6


@dataclass(frozen=True, eq=False)
class Field:
    """A periodic random field of mean 0 and standard deviation 1, defined in mm.

    Attributes
    ----------
    coefficients : ndarray, (side, side, side), float32
        Cubic spline coefficients over (z, y, x).
    step_mm : float
        Distance of two lattice points.
    """

    coefficients: Float32
    step_mm: float

    def __call__(self, x_mm: npt.ArrayLike, y_mm: npt.ArrayLike, z_mm: npt.ArrayLike) -> Float64:
        """Return the field at points that broadcast together, float64, no unit."""
        x, y, z = np.broadcast_arrays(x_mm, y_mm, z_mm)
        points = np.stack([z.ravel(), y.ravel(), x.ravel()]) / self.step_mm
        values = ndimage.map_coordinates(
            self.coefficients, points, output=np.float64, order=3, mode="grid-wrap", prefilter=False
        )
        return np.asarray(values).reshape(x.shape)


@lru_cache(maxsize=64)
def field(seed: int, name: str, wavelength_mm: float, banded: bool = False) -> Field:
    """Return the random field that belongs to a seed and a name.

    Parameters
    ----------
    seed : int
        The phantom's seed.
    name : str
        What the field is for; fields of different names are independent.
    wavelength_mm : float
        Size of its features.
    banded : bool
        True keeps waves of about this length only, so that the zero level winds in folds of equal width;
        False keeps all longer waves as well.

    Returns
    -------
    Field
    """
    rng = np.random.default_rng([seed, *name.encode()])
    spectrum = np.fft.rfftn(rng.standard_normal((_SIDE, _SIDE, _SIDE)))
    along = np.fft.fftfreq(_SIDE) * _POINTS_PER_WAVELENGTH
    half = np.fft.rfftfreq(_SIDE) * _POINTS_PER_WAVELENGTH
    waves = np.sqrt(along[:, None, None] ** 2 + along[None, :, None] ** 2 + half**2)  # 1 = the wavelength
    gain = np.exp(-0.5 * ((waves - 1) / 0.18) ** 2) if banded else np.exp(-0.5 * (waves / 0.6) ** 2)
    gain[0, 0, 0] = 0
    values = np.fft.irfftn(spectrum * gain, s=(_SIDE, _SIDE, _SIDE), axes=(0, 1, 2))
    values /= values.std()
    coefficients = ndimage.spline_filter(values, order=3, output=np.float32, mode="grid-wrap")
    return Field(coefficients, wavelength_mm / _POINTS_PER_WAVELENGTH)


def centred_texture(values: Float64, classes: npt.NDArray[np.integer]) -> Float64:
    """Return a field squeezed into [-1, 1] with zero mean in each class.

    Parameters
    ----------
    values : ndarray, any shape, float64
        A random field of standard deviation 1.
    classes : ndarray of int, same shape

    Returns
    -------
    ndarray, float64, no unit
        ``v`` of the tissue table.
    """
    squeezed = np.tanh(0.8 * values)
    texture = np.zeros_like(squeezed)
    for label in np.unique(classes):
        inside = classes == label
        centred = squeezed[inside] - squeezed[inside].mean()
        texture[inside] = centred / max(1.0, np.abs(centred).max())
    return texture
