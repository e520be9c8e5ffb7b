"""The minimiser of eq. 13 with a certificate: accelerated gradient steps on its dual.

With u the dual variables, one for each difference in D r, ``|u| <= beta``, and

    H = A^T A + (lambda_rel smax)^2,   w(u) = A^T c - D^T u,   r(u) = H^-1 w(u),

the cost P and its dual Q are

    P(r) = 1/2 ||A r - c||^2 + lambda ||r||^2 + sum beta |D r|,
    Q(u) = 1/2 ||c||^2 - 1/2 <w(u), r(u)>,

and Q(u) <= min P <= P(r) for all r and all allowed u. The gradient of Q is D r(u): all that one iteration needs
is a product with the matrix H^-1 (lags x lags, the same for all pixels), the differences, and a clip. ||D||^2 is at
most 4 along each of x, y and lag, so steps s overshoot nowhere where 4 (s_x + s_y + s_t) ||H^-1|| = 1; each is
proportional to its beta, the way that its variables may have to go.

At r(u) the gap is a sum in which no term is below zero, hence sound in float32:

    P(r(u)) - Q(u) = sum(beta |D r(u)| - u D r(u)).

It bounds the excess of the cost, P(r(u)) - min P, and by strong convexity the error of the residues,
``(lambda_rel smax)^2 / 2 ||r(u) - r*||^2``. It is reported relative to P(r(u)) - Q(0), the cost that total
variation adds to the smooth cost Q(0) of the Tikhonov answer, so that the misfit of noise, which no r can explain,
does not dilute it. At u = 0, where the iterations begin, r is the Tikhonov answer and the relative gap is 1.

Sources: Beck and Teboulle 2009, IEEE Trans Image Process 18:2419 (gradient projection on the dual of total
variation, accelerated); Chambolle and Dossal 2015, J Optim Theory Appl 166:968 (the momentum, with which the
iterates converge); Chambolle and Pock 2011, J Math Imaging Vis 40:120 (the gap as certificate).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64, Index, Mask
from ctpbench_filters import _ttv_kernel as kernel
from ctpbench_filters._numba import use_threads

CHECK_EVERY = 10  # iterations between two certificates


@dataclass(frozen=True)
class Solution:
    """Residues, (lag, y, x), float32, 1/s, with the relative duality gap they reach and after how many iterations."""

    residues: Float32
    relative_gap: float
    iterations: int


@dataclass(frozen=True)
class Penalty:
    """What the residues pay for.

    Attributes
    ----------
    beta_space, beta_time : float
        Weights in HU^2 s of differences in space and between lags, 0 or more.
    lambda_rel : float
        Tikhonov weight relative to the largest singular value, above 0.
    """

    beta_space: float
    beta_time: float
    lambda_rel: float


def minimise(
    concentration: npt.ArrayLike,
    mask: Mask,
    A: Float64,
    penalty: Penalty,
    *,
    tolerance: float,
    max_iterations: int,
    threads: int = 1,
    report: Callable[[float, int], None] = lambda relative_gap, iterations: None,
) -> Solution:
    """Deconvolve one slice with total variation in space and time.

    Parameters
    ----------
    concentration : array, (time, y, x), HU above baseline
    mask : array, (y, x), bool
        The pixels that have a residue.
    A : array, (lag, lag), HU s
        The circulant matrix of the AIF, as `ctpbench.perfusion.circulant_matrix` makes it.
    penalty : Penalty
    tolerance : float
        Relative duality gap to reach.
    max_iterations : int
        Iterations after which the answer is returned with whatever gap it has.
    threads : int
        Of the loops; the matrix products run on the threads that BLAS was started with.
    report : callable(relative_gap, iterations)
        Hears of every certificate.

    Returns
    -------
    Solution

    Source: Wu, Ren, Li, eq. 13, solved as the module says.
    """
    curves = np.asarray(concentration, dtype=np.float32)[:, mask].T
    problem = _Dual.of(curves, mask, A, penalty)
    use_threads(threads)
    dual = np.zeros((3, *problem.target.shape), np.float32)
    leading = np.zeros_like(dual)
    tikhonov = residues = problem.residues(dual)
    iterations, gap = 0, problem.relative_gap(residues, dual, tikhonov)
    report(gap, iterations)
    while gap > tolerance and iterations < max_iterations:
        momentum = np.float32(iterations / (iterations + 5))
        problem.ascend(dual, leading, momentum)
        iterations += 1
        if iterations % CHECK_EVERY == 0 or iterations == max_iterations:
            residues = problem.residues(dual)
            gap = problem.relative_gap(residues, dual, tikhonov)
            report(gap, iterations)
    image = np.zeros((residues.shape[1], *mask.shape), np.float32)
    image[:, mask] = residues.T
    return Solution(image, gap, iterations)


@dataclass(frozen=True)
class _Dual:
    """The dual problem of one slice, and what is computed at a point u of it.

    Attributes
    ----------
    target : array, (pixel, lag), float32
        A^T c.
    inverse : array, (lag, lag), float32
        H^-1.
    betas : array, (3,), float32
        The bounds of u along x, y and lag.
    steps : array, (3,), float32
        The step sizes along x, y and lag.
    ahead, behind : arrays, (2, pixel), int
        The neighbours along x and y, as `_ttv_kernel` has them.
    """

    target: Float32
    inverse: Float32
    betas: Float32
    steps: Float32
    ahead: Index
    behind: Index

    @classmethod
    def of(cls, curves: Float32, mask: Mask, A: Float64, penalty: Penalty) -> _Dual:
        """Build the problem from the curves of the mask's pixels, (pixel, time), and the circulant matrix."""
        ridge = (penalty.lambda_rel * np.linalg.norm(A, 2)) ** 2
        inverse = np.linalg.inv(A.T @ A + ridge * np.eye(len(A)))
        bounds = np.array([penalty.beta_space, penalty.beta_space, penalty.beta_time])
        total = bounds.sum() or 1.0  # without betas nothing is to move
        ahead, behind = neighbours(mask)
        return cls(
            target=curves @ A[: curves.shape[1]].astype(np.float32),  # beyond the last frame c is zero
            inverse=inverse.astype(np.float32),
            betas=bounds.astype(np.float32),
            steps=(bounds / (4 * total * np.linalg.norm(inverse, 2))).astype(np.float32),
            ahead=ahead,
            behind=behind,
        )

    def residues(self, u: Float32) -> Float32:
        """Return r(u)."""
        forced = np.empty_like(self.target)
        kernel.subtract_forces(self.target, u, self.behind, forced)
        return forced @ self.inverse  # H^-1 is symmetric

    def ascend(self, u: Float32, leading: Float32, momentum: np.float32) -> None:
        """Move u along the gradient of Q at the leading point, and that point ahead of u, both in place."""
        kernel.ascend(self.residues(leading), self.ahead, self.betas, self.steps, momentum, u, leading)

    def relative_gap(self, residues: Float32, u: Float32, tikhonov: Float32) -> float:
        """Return (P(r) - Q(u)) / (P(r) - Q(0)) for r = r(u); `tikhonov` is r(0)."""
        shares = np.empty((2, len(residues)))
        kernel.gap_of_pixels(residues, tikhonov, u, self.ahead, self.betas, shares)
        gap, rise = shares.sum(axis=1)
        return float(gap / (gap + rise)) if gap > 0 else 0.0


def neighbours(mask: Mask) -> tuple[Index, Index]:
    """Return each pixel's next and its previous neighbours in a mask: two arrays, (2, pixel), rows x and y.

    Pixels are numbered in the order of ``image[mask]``; -1 stands for none.
    """
    number = np.full((mask.shape[0] + 2, mask.shape[1] + 2), -1)
    number[1:-1, 1:-1][mask] = np.arange(np.count_nonzero(mask))
    ahead = np.stack([number[1:-1, 2:][mask], number[2:, 1:-1][mask]])
    behind = np.stack([number[1:-1, :-2][mask], number[:-2, 1:-1][mask]])
    return ahead, behind
