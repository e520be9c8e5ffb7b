"""Arterial input function and venous outflow, found in a scan, and the correction of the former for partial volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Index, Mask
from ctpbench.errors import DataError
from ctpbench.perfusion.confidence import Confidence, confidence
from ctpbench.perfusion.partial_volume import area_factor
from ctpbench.perfusion.vessel_checks import check_artery, is_vein
from ctpbench.perfusion.vessel_clusters import by_clusters
from ctpbench.perfusion.vessel_components import by_components
from ctpbench.perfusion.vessels import Scan, prepared

Method = Literal["kmeans", "components"]

_WEAK_HU = 15.0


@dataclass(frozen=True)
class Vessel:
    """Voxels of a vessel and their curve.

    Attributes
    ----------
    curve : ndarray, (time), float32, HU above baseline
        Mean of the voxels' unfiltered curves. The baseline is the mean of all frames before the bolus: that of two
        frames would leave a weak artery an offset of a tenth of its peak.
    voxels : ndarray, (n, 3), intp
        Index (z, y, x).
    curves : ndarray, (time, n), float32, HU above baseline
        Of each voxel.
    """

    curve: Float32
    voxels: Index
    curves: Float32


@dataclass(frozen=True)
class InputFunctions:
    """The arterial input function and the venous outflow of a scan.

    Attributes
    ----------
    aif : Vessel
        Arteries, not scaled.
    vof : Vessel or None
        A vein; None where none was found.
    factor : float
        What undoes the AIF's partial volume; 1.0 where it is not applied.
    notes : tuple of str
        What a user should know, one short sentence each.
    confidence : Confidence or None
        How sure it is that the AIF is an artery's; None where the AIF was given.
    """

    aif: Vessel
    vof: Vessel | None
    factor: float
    notes: tuple[str, ...]
    confidence: Confidence | None = None

    @classmethod
    def given(cls, aif: Float32, vof: Float32 | None = None, notes: tuple[str, ...] = ()) -> InputFunctions:
        """Return curves that were given, (time), HU above baseline: they have no voxels and are not scaled."""
        return cls(_without_voxels(aif), None if vof is None else _without_voxels(vof), 1.0, notes)

    @property
    def scaled_aif(self) -> Float32:
        """The AIF times the factor, (time), float32, HU above baseline."""
        return self.aif.curve * np.float32(self.factor)


def find_input_functions(
    concentration: npt.ArrayLike,
    brain: npt.ArrayLike,
    spacing_mm: Sequence[float],
    dt_s: float,
    *,
    method: Method = "components",
    partial_volume: bool = True,
    posterior: Sequence[float] = (0.0, 1.0, 0.0),
    at: npt.ArrayLike | None = None,
) -> InputFunctions:
    """Find arteries and a vein in a scan, and how much of the arteries' voxels is blood.

    "components" searches all slices for connected groups of voxels that are high, early and narrow, weighs them by
    peak, size, arrival and width, and averages the best voxels of the best groups, as many as give the least noise.
    The vein is the highest late group at the back of the head.

    "kmeans" is the paper's: in the slice of the largest brain area and its neighbours, the vein is the 10 voxels of
    the largest area under the curve at the back; of the 10% of voxels with the largest areas the smoothest 75% above
    20% of the vein's are sorted by shape into 5 clusters, and the earliest is kept, three times or until it has at
    most 25 voxels. Beyond the paper, voxels near the skull, flickering or later than the brain's mean are left out,
    and clusters are joined, the earliest first, until they hold more than 25 voxels. It keeps few voxels: below a
    peak of 40 HU its curve is noisy.

    Partial volume is undone by the ratio of the areas of VOF and AIF, the latter up to as long before the end as
    it leads, so that both hold the same stretch of the bolus. That keeps the factor right where a scan stops early:
    on 15 simulated patients cut at 26 to 44 s it was 0.98 to 1.16 of the true one where the VOF ended at up to 80% of
    its peak. A note is made above 30%; only above 75% the AIF is left as it is. The factor has no upper bound: it is
    3.6 in the median of real scans, and a large one says that the arteries are thin. A note is made above 10.

    Parameters
    ----------
    concentration : array, (time, z, y, x), HU above baseline
    brain : array, (z, y, x), bool
        Inside of the skull.
    spacing_mm : sequence of 3 floats
        Voxel size along (z, y, x) in mm.
    dt_s : float
        Frame interval in s.
    method : "components" or "kmeans"
    partial_volume : bool
        Whether `factor` undoes partial volume.
    posterior : sequence of 3 floats
        Direction of the back of the head along (z, y, x), of any length.
    at : array, (n, 3), int, or None
        Index (z, y, x) of voxels that are taken for the artery, in the brain or out of it, instead of looking for one.
        What speaks against them is a note.

    Returns
    -------
    InputFunctions

    Raises
    ------
    DataError
        Where an argument does not fit, or the scan shows no artery.

    Examples
    --------
    An artery that peaks at 15 s with half the contrast of the vein that peaks at 22 s.

    >>> import numpy as np
    >>> from ctpbench.perfusion import find_input_functions
    >>> time_s = np.arange(40.0)[:, np.newaxis, np.newaxis]
    >>> def bolus(peak_s):
    ...     return np.exp(-(((time_s - peak_s) / 4) ** 2))
    >>> series = np.random.default_rng(0).normal(0, 1, (40, 1, 48, 48))
    >>> series[:, 0] += 5 * bolus(18)
    >>> series[:, 0, 20:23, 10:13] += 100 * bolus(15)
    >>> series[:, 0, 38:42, 22:26] += 200 * bolus(22)
    >>> found = find_input_functions(series, np.ones((1, 48, 48), bool), (5.0, 2.0, 2.0), 1.0)
    >>> print(found.aif.voxels.mean(axis=0), found.aif.curve.argmax(), f"{found.factor:.1f}")
    [ 0. 21. 11.] 15 2.0

    Source: Wu, Ren, Li, section V-B; Kao et al. 2014 and Mouridsen et al. 2006 (its references 50 and 51).
    """
    series, searched = np.asarray(concentration), np.asarray(brain)
    if series.ndim != 4 or searched.shape != series.shape[1:] or searched.dtype != bool:
        raise DataError(
            f"concentration: got shape {series.shape} with a brain of {searched.dtype} {searched.shape}; "
            "allowed: (time, z, y, x) with a bool mask (z, y, x)"
        )
    given = None if at is None else _mask(np.asarray(at), searched.shape)
    if given is not None:
        searched = searched | given
    curves = series.reshape(len(series), -1)[:, np.flatnonzero(searched)].astype(np.float32, copy=False)
    return input_functions_of(
        curves,
        searched,
        spacing_mm,
        dt_s,
        method=method,
        partial_volume=partial_volume,
        posterior=posterior,
        artery=given,
    )


def input_functions_of(
    curves: Float32,
    brain: Mask,
    spacing_mm: Sequence[float],
    dt_s: float,
    *,
    method: Method = "components",
    partial_volume: bool = True,
    posterior: Sequence[float] = (0.0, 1.0, 0.0),
    artery: Mask | None = None,
) -> InputFunctions:
    """Do what `find_input_functions` does with the curves of the brain alone, which a large scan leaves room for.

    Parameters
    ----------
    curves : array, (time, n), float32, HU above baseline
        Of the n voxels of `brain`, in its order; written over.
    artery : array, (z, y, x), bool, or None
        Voxels, all of them in `brain`, that are taken for the artery instead of looking for one.
    """
    if method not in get_args(Method):
        raise DataError(f"method: got {method!r}; allowed: {', '.join(get_args(Method))}")
    scan = prepared(curves, brain, spacing_mm, dt_s, posterior)
    chosen, vein = by_components(scan) if method == "components" else by_clusters(scan)
    if artery is not None:
        chosen = np.flatnonzero(artery[*scan.voxels.T])
        if not scan.smoothed(chosen).max() > 0:
            raise DataError("no artery: the voxels given never rise above their baseline; give others")
    if not (chosen.size and is_vein(scan, vein, chosen)):
        vein = vein[:0]
    if artery is None:
        check_artery(scan, chosen, vein)
    aif, vof = _vessel(scan, chosen), _vessel(scan, vein) if vein.size else None
    sure = confidence(scan, chosen, vein)
    notes = _notes(scan, aif, sure)
    if artery is not None:
        notes.insert(0, f"AIF from voxels that were named: the mean of {chosen.size}; none was looked for")
    factor = 1.0
    if partial_volume:
        factor, note = area_factor(scan, aif.curve, None if vof is None else vof.curve)
        notes += [note] if note else []
    return InputFunctions(aif, vof, factor, tuple(notes), sure)


def _mask(at: npt.NDArray[np.integer], shape: tuple[int, ...]) -> Mask:
    if at.ndim != 2 or at.shape[1] != 3 or not at.size or at.dtype.kind not in "iu" or not _within(at, shape):
        raise DataError(f"at: got {at.tolist()}; allowed: rows of an index (z, y, x) below {shape}")
    mask = np.zeros(shape, bool)
    mask[*at.T] = True
    return mask


def _within(at: npt.NDArray[np.integer], shape: tuple[int, ...]) -> bool:
    return bool(((at >= 0) & (at < shape)).all())


def _vessel(scan: Scan, chosen: Index) -> Vessel:
    return Vessel(scan.mean_of(chosen), scan.voxels[chosen], scan.curves[:, chosen])


def _without_voxels(curve: Float32) -> Vessel:
    return Vessel(curve, np.empty((0, 3), np.intp), np.empty((len(curve), 0), np.float32))


def _notes(scan: Scan, aif: Vessel, sure: Confidence) -> list[str]:
    notes = []
    if sure.doubtful:
        notes.append(f"AIF doubtful (confidence {sure.score:.2f}): {'; '.join(sure.doubts)}")
    if aif.curve.max() < _WEAK_HU:
        notes.append(f"AIF peak {aif.curve.max():.0f} HU: weak")
    if scan.arrival <= 2:
        notes.append("contrast is there in the first frames: the baseline holds some of it")
    return notes
