"""What a dataset hands over: an Observation for the methods and, apart from it, the Truth for the scores.

Arrays are xarray objects with these dimensions: ``time`` (s), ``z``, ``y``, ``x`` (mm), ``map`` and ``roi``. Those that
a component is given are read-only: it works on copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ctpbench.contract.observation import Observation
from ctpbench.contract.quantities import QUANTITIES

if TYPE_CHECKING:
    import xarray as xr

MAP_DIMS = ("map", "z", "y", "x")
ROI_DIMS = ("roi", "z", "y", "x")
MAPS = ("cbf", "cbv", "mtt", "ttp", "tmax")
MAP_UNITS = {name: QUANTITIES[name].units for name in MAPS}


TRUTH_PARTS = ("maps", "resolved", "frames", "labels", "rois")


@dataclass(frozen=True)
class Truth:
    """What is known of a case beyond its observation. Only metrics see it; each part may be unknown.

    Sizes and coordinates are those of the observation's frames.

    Attributes
    ----------
    maps : DataArray, (map, z, y, x), float32, units of `MAP_UNITS`, or None
        The true maps, the five of `MAPS` in their order; NaN where a map is undefined (outside tissue) and everywhere
        in a map that is not known.
    resolved : DataArray, (map, z, y, x), float32, units of `MAP_UNITS`, or None
        What the scanner can resolve of the true maps: CBF and CBV through its point spread, MTT = 60 CBV / CBF of
        those; NaN also where it resolves nothing of them, as beside a vessel, whose contrast it blurs into the tissue.
        As `maps` otherwise.
    frames : DataArray, (time, z, y, x), float32, HU, or None
        The noiseless frames of the same scan.
    labels : DataArray, (z, y, x), int8, or None
        Tissue classes, ``attrs["flag_values"]`` and ``attrs["flag_meanings"]`` (blank-separated) as in CF. Metrics tell
        a class by the words of its meaning, between underscores: ``gray`` (or ``grey``) and ``white`` matter; the
        ``core`` of an infarct, also ``severe`` or ``infarct``; the ``penumbra``, also ``reduced``. So ``gray_severe``
        is core in gray matter; a class with words of both is core. Other words mean nothing to them: see `class_mask`.
    rois : DataArray, (roi, z, y, x), bool, or None
        Regions of interest that are known or were drawn by people, each named once by the coordinate `roi`:
        ``"core"``, the infarct's, and ``"white_matter"``, flat and healthy. They lie within the brain, but for an edge
        that its mask may miss. A region that this case has nothing of is empty or left out. See `regions`.
    """

    maps: xr.DataArray | None = None
    resolved: xr.DataArray | None = None
    frames: xr.DataArray | None = None
    labels: xr.DataArray | None = None
    rois: xr.DataArray | None = None


@dataclass(frozen=True)
class Case:
    """One scan with its identity.

    Attributes
    ----------
    id : str
        Unique within a dataset, and what `ctpbench.Dataset.load` was asked for.
    observation : Observation
    truth : Truth or None
        None for unlabelled data.
    inspection : mapping or None
        What was found out about a recorded scan, by name: text, booleans and finite numbers of Python's own types,
        which every result carries. See `ctpbench.Inspection.facts`.
    """

    id: str
    observation: Observation
    truth: Truth | None = None
    inspection: Mapping[str, bool | float | str] | None = None


@dataclass(frozen=True)
class TrainingCase:
    """What `Trainable.fit` is given: `clean` is None unless the method declares that it learns from clean."""

    id: str
    observation: Observation
    clean: xr.DataArray | None = None


@dataclass(frozen=True)
class ScoredCase:
    """One case with a method's answer, as a metric reads it: read-only. All maps of a case set are scaled alike.

    Attributes
    ----------
    id : str
    observation : Observation
    maps : DataArray, (map, z, y, x), float32
        The method's maps.
    noiseless : DataArray, (map, z, y, x), float32, or None
        Maps of the noiseless frames through the same deconvolution.
    truth : Truth or None
    concentration : DataArray, (time, z, y, x), float32, HU, or None
        The method's concentration; None for a method that emits residues and no frames.
    noiseless_concentration : DataArray, (time, z, y, x), float32, HU, or None
    rois : DataArray, (roi, z, y, x), bool, or None
        The truth's regions of interest; ``"white_matter"``, where the truth knows none, as found in the
        unfiltered frames, the same for every method. None where there is none.
    """

    id: str
    observation: Observation
    maps: xr.DataArray
    noiseless: xr.DataArray | None = None
    truth: Truth | None = None
    concentration: xr.DataArray | None = None
    noiseless_concentration: xr.DataArray | None = None
    rois: xr.DataArray | None = None


def regions(**masks: npt.ArrayLike) -> xr.DataArray:
    """Return named masks, each bool (z, y, x), as the regions of interest of a `Truth`.

    Examples
    --------
    >>> core = np.zeros((1, 2, 2), bool)
    >>> core[0, 0, 1] = True
    >>> rois = regions(core=core, white_matter=~core)
    >>> rois.dims, rois["roi"].values.tolist(), int(rois.sel(roi="core").sum())
    (('roi', 'z', 'y', 'x'), ['core', 'white_matter'], 1)
    """
    import xarray as xr  # here, for who makes none does without

    stack = np.stack([np.asarray(mask, dtype=bool) for mask in masks.values()])
    return xr.DataArray(stack, dims=ROI_DIMS, coords={"roi": list(masks)}, name="rois")
