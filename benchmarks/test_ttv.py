"""TTV beside the accelerated primal-dual method of Chambolle and Pock in numpy, to the same relative duality gap.

Chambolle and Pock 2011, J Math Imaging Vis 40:120, algorithm 2.
"""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.perfusion import circulant_matrix, subtract_baseline
from ctpbench_filters import Ttv

from .contest import Agreement, Peer
from .machine import Work

BETA_SPACE_HU2S, BETA_TIME_HU2S = 1000.0, 100.0  # strong enough to take about 50 iterations
LAMBDA_REL, TOLERANCE = 0.3, 1e-3
CHECK_EVERY = 10


def differences(r: np.ndarray, edges: list[np.ndarray | float]) -> list[np.ndarray]:
    """Differences along the lags, y and x, zero where a neighbour is no tissue."""
    return [np.diff(r, axis=axis) * edge for axis, edge in enumerate(edges)]


def adjoint(dual: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The transpose of `differences`, of a dual that is zero where a neighbour is no tissue."""
    total = np.zeros(shape, np.float32)
    for axis, values in enumerate(dual):
        ahead, behind = [slice(None)] * 3, [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        total[tuple(ahead)] += values
        total[tuple(behind)] -= values
    return total


def primal_dual(curves: np.ndarray, mask: np.ndarray, aif: np.ndarray, dt_s: float) -> np.ndarray:
    """Minimise eq. 13 over the residues (lag, y, x) of a slice's curves (time, y, x)."""
    A = circulant_matrix(aif, dt_s)
    ridge = (LAMBDA_REL * np.linalg.norm(A, 2)) ** 2
    power, modes = np.linalg.eigh(A.T @ A + ridge * np.eye(len(A)))
    shape = (len(A), *mask.shape)
    edges = [1.0, mask[1:] & mask[:-1], mask[:, 1:] & mask[:, :-1]]
    betas = [BETA_TIME_HU2S, BETA_SPACE_HU2S, BETA_SPACE_HU2S]
    target = np.tensordot(A[: len(curves)].T.astype(np.float32), curves * mask, axes=1)

    def product(factors: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Multiply by the matrix with H's eigenvectors and these eigenvalues."""
        matrix = ((modes * factors) @ modes.T).astype(np.float32)
        return (matrix @ values.reshape(len(values), -1)).reshape(shape)

    def gap_of(dual: list[np.ndarray]) -> tuple[float, np.ndarray]:
        """The relative gap of the residues that belong to a dual, and those residues."""
        forced = target - adjoint(dual, shape)
        r = product(1 / power, forced)
        steps = zip(differences(r, edges), dual, betas, strict=True)
        gap = sum((beta * np.abs(d) - u * d).sum(dtype=np.float64) for d, u, beta in steps)
        rise = (smooth - np.vdot(forced, r).astype(np.float64)) / 2
        return gap / (gap + rise), r

    r = leading = product(1 / power, target)
    smooth = np.vdot(target, r).astype(np.float64)
    dual = [np.zeros_like(d) for d in differences(r, edges)]
    tau = 1 / power.max()
    sigma = 1 / (12 * tau)
    while True:
        for _ in range(CHECK_EVERY):
            steps = zip(dual, differences(leading, edges), betas, strict=True)
            dual = [np.clip(u + np.float32(sigma) * d, -beta, beta) for u, d, beta in steps]
            before = r
            r = product(1 / (1 + tau * power), r + np.float32(tau) * (target - adjoint(dual, shape)))
            theta = 1 / np.sqrt(1 + 2 * ridge * tau)
            tau, sigma = tau * theta, sigma / theta
            leading = r + np.float32(theta) * (r - before)
        gap, answer = gap_of(dual)
        if gap <= TOLERANCE:
            return answer


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize("who", ["ours", "numpy"])
def test_ttv(contest, scan, context, who):
    frames, tissue = scan(64).frames, scan(64).tissue[0]
    concentration = frames.copy(data=subtract_baseline(frames.values))
    rows, columns = (slice(edge.min(), edge.max() + 1) for edge in np.nonzero(tissue))
    ttv = Ttv(
        beta_space_hu2s=BETA_SPACE_HU2S, beta_time_hu2s=BETA_TIME_HU2S, lambda_rel=LAMBDA_REL, tolerance=TOLERANCE
    )
    lags, steps = 2 * len(frames), ttv.deconvolve(concentration, context).attrs["diagnostics"]["iterations"]
    curves, mask = concentration.values[:, 0, rows, columns], tissue[rows, columns]
    contest(
        who,
        task="ttv",
        size="64x64x44",
        ours=lambda: ttv.deconvolve(concentration, context).values[:, 0, rows, columns],
        peers={
            "numpy": Peer(
                lambda: primal_dual(curves, mask, scan(64).aif, scan(64).dt_s),
                Agreement(0.01, "relative", distance),
            )
        },
        work=Work(0, 1e-9 * steps * lags * tissue.sum() * (2 * lags + 30)),  # it lies in the cache
    )
