"""The loops of the TTV solver over pixels and lags.

Arrays are (pixel, lag): a pixel's residue is one contiguous row, and so is each of its three dual rows: towards
the next pixel along x, along y, and towards the next lag. ``ahead[axis, p]`` and ``behind[axis, p]`` are the rows
of the neighbours of p along x (axis 0) and y (axis 1), -1 where there is none.
"""

from __future__ import annotations

import numba

from ctpbench_filters._numba import OPTIONS

SPACE = (0, 1)  # rows of `dual` along x and y
TIME = 2  # and along the lags


@numba.njit(parallel=True, **OPTIONS)
def subtract_forces(target, dual, behind, out):
    """Write ``target - D^T dual``, D^T the adjoint of the differences."""
    for p in numba.prange(len(target)):
        _add_own(target[p], dual[0, p], dual[1, p], dual[TIME, p], out[p])
        _subtract(dual[TIME, p, :-1], out[p, 1:])
        for axis in SPACE:
            q = behind[axis, p]
            if q >= 0:
                _subtract(dual[axis, q], out[p])


@numba.njit(**OPTIONS)
def _add_own(target, along_x, along_y, along_time, out):
    for m in range(len(out)):
        out[m] = target[m] + along_x[m] + along_y[m] + along_time[m]


@numba.njit(**OPTIONS)
def _subtract(dual, out):
    for m in range(len(out)):
        out[m] -= dual[m]


@numba.njit(parallel=True, **OPTIONS)
def ascend(residues, ahead, betas, steps, momentum, dual, leading):
    """One step of the dual variables along the differences of the residues, and of their leading point.

    dual <- clip(leading + steps D residues, -beta, beta); leading <- dual + momentum (dual - dual before)
    """
    for p in numba.prange(len(residues)):
        for axis in SPACE:
            q = ahead[axis, p]
            if q >= 0:
                rows = residues[p], residues[q], dual[axis, p], leading[axis, p]
                _ascend_row(*rows, betas[axis], steps[axis], momentum)
        rows = residues[p, :-1], residues[p, 1:], dual[TIME, p], leading[TIME, p]
        _ascend_row(*rows, betas[TIME], steps[TIME], momentum)


@numba.njit(**OPTIONS)
def _ascend_row(here, there, dual, leading, beta, step, momentum):
    for m in range(len(here)):
        moved = min(max(leading[m] + step * (there[m] - here[m]), -beta), beta)
        leading[m] = moved + momentum * (moved - dual[m])
        dual[m] = moved


@numba.njit(parallel=True, **OPTIONS)
def gap_of_pixels(residues, tikhonov, dual, ahead, betas, out):
    """Write each pixel's share of P(r(u)) - Q(u) to ``out[0]`` and of Q(u) - Q(0) to ``out[1]``.

    They are sums over differences: of ``beta |D r| - u D r``, never below zero, and of ``u D (r(0) + r(u)) / 2``.
    """
    for p in numba.prange(len(residues)):
        row = dual[TIME, p]
        gap = _gap(residues[p, :-1], residues[p, 1:], betas[TIME], row)
        rise = _rise(residues[p, :-1], residues[p, 1:], row) + _rise(tikhonov[p, :-1], tikhonov[p, 1:], row)
        for axis in SPACE:
            q = ahead[axis, p]
            if q >= 0:
                row = dual[axis, p]
                gap += _gap(residues[p], residues[q], betas[axis], row)
                rise += _rise(residues[p], residues[q], row) + _rise(tikhonov[p], tikhonov[q], row)
        out[0, p] = gap
        out[1, p] = rise


@numba.njit(**OPTIONS)
def _gap(here, there, beta, dual):
    gap = 0.0
    for m in range(len(here)):
        difference = there[m] - here[m]
        gap += beta * abs(difference) - dual[m] * difference
    return gap


@numba.njit(**OPTIONS)
def _rise(here, there, dual):
    rise = 0.0
    for m in range(len(here)):
        rise += dual[m] * (there[m] - here[m]) / 2
    return rise
