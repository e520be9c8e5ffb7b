"""Slow, obvious twins of the fast code: loops, explicit matrices and numpy.linalg.svd, all in float64."""

from __future__ import annotations

import numpy as np
from scipy.stats import gamma


def resample(curves, times_s):
    """(time, n) curves, one np.interp each, on a grid of the median interval."""
    dt_s = np.median(np.diff(times_s))
    grid = [times_s[0]]
    while grid[-1] + dt_s <= times_s[-1] + 1e-9:
        grid.append(grid[-1] + dt_s)
    return np.stack([np.interp(grid, times_s, curve) for curve in np.transpose(curves)], axis=1), dt_s


def circulant_matrix(aif, dt_s):
    """Entry by entry: the response at time i to an impulse at lag j."""
    length = 2 * len(aif)
    padded = [max(float(value), 0.0) for value in aif] + [0.0] * len(aif)
    matrix = np.zeros((length, length))
    for i in range(length):
        for j in range(length):
            matrix[i, j] = dt_s * padded[(i - j) % length]
    return matrix


def _svd_solutions(aif, dt_s, curves, inverses_of):
    """For each inverse (M,) of the singular values: residues (M, n) of curves (time, n)."""
    u, s, vt = np.linalg.svd(circulant_matrix(aif, dt_s))
    padded = np.concatenate([curves, np.zeros_like(curves)])
    return [vt.T @ np.diag(inverse) @ u.T @ padded for inverse in inverses_of(s)]


def tikhonov(aif, dt_s, curves, lambda_rel):
    """Residues by the SVD with the filter s / (s^2 + (lambda_rel smax)^2)."""
    return _svd_solutions(aif, dt_s, curves, lambda s: [s / (s**2 + (lambda_rel * s.max()) ** 2)])[0]


def tsvd(aif, dt_s, curves, threshold_rel):
    """Residues by the SVD, singular values under threshold_rel smax left out."""
    return _svd_solutions(aif, dt_s, curves, lambda s: [_truncated(s, threshold_rel * s.max())])[0]


def _truncated(s, least):
    return np.array([1 / value if value >= least * (1 - 1e-9) else 0.0 for value in s])  # equal ones stay together


def oscillation(residue):
    """Oscillation index of one residue: Wu O. 2003."""
    total = sum(abs(residue[k] - 2 * residue[k - 1] + residue[k - 2]) for k in range(2, len(residue)))
    return total / len(residue) / max(residue)


def osvd(aif, dt_s, curves, limit):
    """Residues at each voxel's lowest threshold whose oscillation index is within the limit."""
    by_rung = _svd_solutions(aif, dt_s, curves, lambda s: [_truncated(s, least) for least in np.sort(s)])
    chosen = []
    for voxel in range(curves.shape[1]):
        for residues in by_rung:
            residue = residues[:, voxel]
            if max(residue) > 0 and oscillation(residue) <= limit:
                break
        chosen.append(residue)
    return np.stack(chosen, axis=1)


def maps_of_voxel(curve, residue, dt_s, kappa=1.0, rho=1.0):
    """(cbf, cbv, mtt, ttp, tmax) of one voxel: eqs 17-20 and the wrapped Tmax."""
    cbf = 6000 * kappa / rho * max(residue)
    cbv = 100 * kappa / rho * dt_s * sum(residue)
    lag = int(np.argmax(residue))
    if lag > len(residue) / 2:
        lag -= len(residue)
    return cbf, cbv, 60 * cbv / cbf if cbf > 0 else 0.0, dt_s * int(np.argmax(curve)), dt_s * lag


def tissue_curve(aif_at, times_s, cbf, mtt_s, step_s=0.005):
    """CBF/6000 times the integral of AIF(t - s) R(s) ds by the trapezium rule, R flat for 0.8 MTT, then exponential."""
    lags = np.arange(0, max(times_s) + step_s, step_s)
    residue = np.exp(-np.clip(lags - 0.8 * mtt_s, 0, None) / (0.2 * mtt_s))
    return [
        cbf / 6000 * np.trapezoid(np.where(lags <= time, aif_at(np.maximum(time - lags, 0)), 0) * residue, dx=step_s)
        for time in times_s
    ]


def perfusion(curve, aif, dt_s, method, parameter, kappa=1.0, rho=1.0):
    """Maps of one voxel, from its curve on: sums over the singular vectors of A, one by one."""
    u, s, vt = np.linalg.svd(circulant_matrix(aif, dt_s))
    shares = [np.dot(u[: len(curve), k], curve) for k in range(len(s))]

    def residue(weight):
        return sum(weight(s[k]) * shares[k] * vt[k] for k in range(len(s)))

    def above(least):
        return residue(lambda value: 1 / value if value > least * (1 - 1e-9) else 0.0)

    if method == "tikhonov":
        r = residue(lambda value: value / (value**2 + (parameter * s[0]) ** 2))
    elif method == "tsvd":
        r = above(parameter * s[0])
    else:
        for least in sorted(s):
            r = above(least)
            bends = [abs(r[k + 1] - 2 * r[k] + r[k - 1]) for k in range(1, len(r) - 1)]
            if max(r) > 0 and sum(bends) / (len(r) * max(r)) <= parameter:
                break
    lag = list(r).index(max(r))
    cbf, cbv = 6000 * kappa / rho * max(r), 100 * kappa / rho * dt_s * sum(r)
    return {
        "cbf": cbf,
        "cbv": cbv,
        "mtt": 60 * cbv / cbf if cbf > 0 else 0.0,
        "ttp": dt_s * list(curve).index(max(curve)),
        "tmax": dt_s * (lag if lag <= len(r) / 2 else lag - len(r)),
    }


def scale_factor(estimate, reference):
    """The least-squares factor by numpy's general solver."""
    return np.linalg.lstsq(np.ravel(estimate)[:, np.newaxis], np.ravel(reference), rcond=None)[0][0]


def capped(curves):
    """(time, n) curves, those of more energy than the median scaled down to it."""
    energies = [sum(value**2 for value in curve) for curve in np.transpose(curves)]
    cap = np.median([energy for energy in energies if energy > 0])
    return np.stack(
        [curve * min(1, (cap / max(energy, 1e-300)) ** 0.5) for curve, energy in zip(curves.T, energies, strict=True)],
        axis=1,
    )


def tikhonov_fits(aif, dt_s, curves, lambda_rel):
    """(sum of squared residuals at the T samples, sum of squared residues, trace(I - H)), by normal equations."""
    matrix, frames = circulant_matrix(aif, dt_s), len(aif)
    weight = lambda_rel * np.linalg.svd(matrix, compute_uv=False).max()
    inverse = np.linalg.solve(matrix.T @ matrix + weight**2 * np.eye(2 * frames), matrix.T)
    residues = inverse @ np.concatenate([curves, np.zeros_like(curves)])
    missed = curves - (matrix @ residues)[:frames]
    influence = np.stack([(matrix @ inverse @ unit)[:frames] for unit in np.eye(2 * frames)[:frames]], axis=1)
    return (missed**2).sum(), (residues**2).sum(), frames - sum(influence[i, i] for i in range(frames))


def bend(before, here, after):
    """Signed curvature of the circle through three points of the plane: positive where it turns to the left."""
    a, b, c = (np.subtract(p, q) for p, q in ((here, before), (after, here), (after, before)))
    area = (a[0] * b[1] - a[1] * b[0]) / 2
    return 4 * area / (np.hypot(*a) * np.hypot(*b) * np.hypot(*c))


def response(aif_at, times_s, shape, mtt_s, delay_s, step_s=0.01):
    """Unit-flow curve: the integral of AIF(t - delay - s) R(s) ds by the trapezium rule, R a gamma's survival."""
    lags = np.arange(0, max(times_s) + step_s, step_s)
    survival = gamma.sf(lags, shape, scale=mtt_s / shape)
    curve = []
    for time in np.asarray(times_s) - delay_s:
        seen = np.where(lags <= time, aif_at(np.maximum(time - lags, 0)), 0)
        curve.append(np.trapezoid(seen * survival, dx=step_s))
    return np.array(curve)


def posterior(curve, entries, covariance, flow_scale):
    """Posterior of one voxel by brute force: likelihood times prior on a grid of flows, for each entry in turn.

    entries: (response, mtt_s, delay_s, prior weight) each. Returns means of flow, flow * mtt, mtt and delay, and the
    standard deviation of flow.
    """
    precision = np.linalg.inv(covariance)
    flows = (np.arange(20000) + 0.5) * (6 * flow_scale / 20000)
    logs, rows = [], []
    for values, mtt_s, delay_s, prior in entries:
        cross, own = values @ precision @ curve, values @ precision @ values
        logs.append(np.log(prior) - own * flows**2 / 2 + cross * flows - flows**2 / (2 * flow_scale**2))
        rows.append((mtt_s, delay_s))
    weights = np.exp(np.array(logs) - np.max(logs))
    weights /= weights.sum()
    mtt, delay = np.array(rows).T[:, :, np.newaxis]
    flow, volume, transit, late = ((weights * term).sum() for term in (flows, flows * mtt, mtt, delay))
    return flow, volume, transit, late, ((weights * flows**2).sum() - flow**2) ** 0.5


def smooth_curves(series, mask, sigma_cells):
    """Curves of cells of 2 x 2 pixels from the corner of the mask's box, after a Gaussian over the mask: (time, cell).

    Each is multiplied by the root of how many pixels of the mask its cell has. The Gaussian ends at 4 sigma.
    """
    top, left = np.argwhere(mask).min(axis=0)
    cells, counts = {}, {}
    for y, x in np.argwhere(mask):
        cell = ((y - top) // 2, (x - left) // 2)
        cells[cell] = cells.get(cell, 0) + series[:, y, x].astype(np.float64)
        counts[cell] = counts.get(cell, 0) + 1
    reach, curves = int(4 * sigma_cells + 0.5), []
    for here in sorted(cells):
        total, weights = np.zeros(len(series)), 0.0
        for there in cells:
            apart = np.subtract(here, there)
            if abs(apart).max() <= reach:
                weight = np.exp(-(apart**2).sum() / (2 * sigma_cells**2))
                total += weight * cells[there]
                weights += weight * counts[there]
        curves.append(total / weights * np.sqrt(counts[here]))
    return np.transpose(curves)
