"""Tissue curves where every voxel has its own delay, dispersion and mixture of residue functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench_phantom.aif import GRID_S, grid
from ctpbench_phantom.residue import Residue, convolved, residue, transit_grid

MIXTURE: tuple[Residue, ...] = ("plateau", "gamma", "exponential")
_VOXELS = 2048  # at a time: their curves stay in cache


@dataclass(frozen=True)
class Transport:
    """How contrast reaches voxels and leaves them.

    Attributes
    ----------
    delay_s, dispersion_s : ndarray, (voxel), float64, s
        The vascular transport function between the artery and the voxel is ``exp(-(t - delay) / dispersion) /
        dispersion`` from the delay on: of area 1. Dispersion may be 0.
    shares : ndarray, (3, voxel), float64, no unit
        Of the residue functions in `MIXTURE`; they sum to 1.
    """

    delay_s: Float64
    dispersion_s: Float64
    shares: Float64

    def of(self, voxels: Mask) -> Transport:
        """Return the transport to some of the voxels."""
        return Transport(self.delay_s[voxels], self.dispersion_s[voxels], self.shares[:, voxels])

    def immediate(self) -> Transport:
        """Return the same without delay and dispersion."""
        return Transport(np.zeros_like(self.delay_s), np.zeros_like(self.dispersion_s), self.shares)


def transported_curves(
    aif_hu: npt.ArrayLike, times_s: npt.ArrayLike, cbf: npt.ArrayLike, mtt_s: npt.ArrayLike, transport: Transport
) -> Float32:
    """Return the enhancement of voxels: ``c(t) = CBF/6000 (AIF * h * R)(t - delay)``.

    h is the exponential of `Transport`, R the voxel's mixture of residue functions, each of the area MTT. h has the
    area 1 and R begins at 1, so CBF, MTT and CBV = CBF MTT / 60 stay exact. CBF is the flow: ``h * R``, which is all
    that a deconvolution can find, has a lower maximum.

    Parameters
    ----------
    aif_hu : array, (fine time)
        AIF in HU above baseline on the fine grid of `ctpbench_phantom.aif`, from 0 s, where it is 0, to the last
        frame or later.
    times_s : array, (time)
        Frame times, s.
    cbf, mtt_s : array, (voxel)
        Flow in mL/100 g/min and mean transit time in s.
    transport : Transport

    Returns
    -------
    ndarray, (time, voxel), float32, HU above baseline

    Notes
    -----
    ``AIF * R`` comes from the tables of `tissue_curves`. The exponential runs along the fine grid, exact where the
    curve is linear between two of its points, and the delayed frames are interpolated linearly between them.

    Source: Calamante, Gadian, Connelly, Magn Reson Med 44:466, 2000 (dispersion as a convolution with an exponential;
    delay); Oestergaard et al., Magn Reson Med 36:715, 1996 (box-like and exponential residue functions).
    """
    mtt = np.asarray(mtt_s, dtype=np.float64)
    curves = np.zeros((np.size(times_s), mtt.size), np.float32)
    if not mtt.size:
        return curves
    flow = np.asarray(cbf, dtype=np.float64) / 6000.0
    aif, times = np.asarray(aif_hu, dtype=np.float64), np.asarray(times_s, dtype=np.float64)
    for part, arrived in _mixed(lambda nodes_s, kind: convolved(aif, nodes_s, kind), mtt, flow * transport.shares):
        dispersed = _dispersed(arrived, transport.dispersion_s[part])
        curves[:, part] = _late(dispersed, times, transport.delay_s[part])
    return curves


def response_tmax(mtt_s: npt.ArrayLike, transport: Transport) -> Float64:
    """Return Tmax: when ``(h * R)(t - delay)``, the tissue's true response to an impulse in the artery, is highest.

    That is what a deconvolution looks for. Without dispersion it is the delay, for R begins with its maximum; with it
    the response rises slowly, and the longer the transit time the later is its maximum.

    Parameters
    ----------
    mtt_s : array, (voxel), s
    transport : Transport

    Returns
    -------
    ndarray, (voxel), float64, s
        To 0.1 s.

    Source: Calamante et al., Stroke 41:1169, 2010 (Tmax holds delay, dispersion and, least, the transit time).
    """
    mtt = np.asarray(mtt_s, dtype=np.float64)
    if not mtt.size:
        return np.zeros(0)
    lags_s = grid(1.5 * mtt.max() + 2 * transport.dispersion_s.max())[:, None]  # no maximum is later
    highest = np.zeros(mtt.size)
    for part, left in _mixed(lambda nodes_s, kind: residue(lags_s, nodes_s, kind), mtt, transport.shares):
        highest[part] = _dispersed(left, transport.dispersion_s[part]).argmax(axis=0) * GRID_S
    return transport.delay_s + highest


def _mixed(
    curves: Callable[[Float64, Residue], Float64], mtt_s: Float64, shares: Float64
) -> Iterator[tuple[slice, Float64]]:
    """Yield some voxels at a time and their mixtures, (fine time, voxel), of curves tabulated over the transit time."""
    nodes_s, first, above = transit_grid(mtt_s)
    table = np.concatenate([np.ascontiguousarray(curves(np.maximum(nodes_s, 1e-6), kind).T) for kind in MIXTURE])
    rows = [nodes_s.size * k + node for k in range(len(MIXTURE)) for node in (first, first + 1)]
    weights = [share * part for share in shares for part in (1 - above, above)]
    voxels = np.tile(np.arange(mtt_s.size), len(rows))
    mixing = sparse.csr_array((np.concatenate(weights), (voxels, np.concatenate(rows))), shape=(mtt_s.size, len(table)))
    for start in range(0, mtt_s.size, _VOXELS):
        part = slice(start, start + _VOXELS)
        yield part, np.ascontiguousarray((mixing[part] @ table).T)


def _dispersed(curves: Float64, dispersion_s: Float64) -> Float64:
    """Curves, (fine time, voxel), convolved with each voxel's exponential of area 1."""
    # y' = (x - y) / theta, solved over one step in which x is linear.
    theta = np.maximum(dispersion_s, 1e-9)
    kept = np.exp(-GRID_S / theta)
    passed = (1 - kept) * theta / GRID_S
    before, now = passed - kept, 1 - passed
    out = np.empty_like(curves)
    out[0] = now * curves[0]
    for step in range(1, len(curves)):
        out[step] = kept * out[step - 1] + before * curves[step - 1] + now * curves[step]
    return out


def _late(curves: Float64, times_s: Float64, delay_s: Float64) -> Float64:
    """Curves at ``times - delay``, (time, voxel), linear between the grid's times; the first value before 0 s."""
    place = np.clip((times_s[:, None] - delay_s) / GRID_S, 0, len(curves) - 1)
    index = np.minimum(place.astype(np.intp), len(curves) - 2)
    share = place - index
    voxel = np.arange(delay_s.size)
    return curves[index, voxel] * (1 - share) + curves[index + 1, voxel] * share
