"""How ``c = A r`` is solved: records of the method and its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Tikhonov:
    """The minimiser of ``||A r - c||^2 + (lambda_rel smax)^2 ||r||^2``.

    Parameters
    ----------
    lambda_rel : float
        Regularisation relative to the largest singular value smax of A, at least 0. At 0 the answer is the
        pseudo-inverse's.

    Raises
    ------
    ValueError
        Where `lambda_rel` is negative.

    Source: Wu, Ren, Li, eq. 23; Fieselmann 2011.
    """

    lambda_rel: float = 0.3

    def __post_init__(self) -> None:
        if not self.lambda_rel >= 0:
            raise ValueError(f"lambda_rel: got {self.lambda_rel}; allowed: 0 or more")


@dataclass(frozen=True)
class Tsvd:
    """The inverse of A over its singular values of at least ``threshold_rel smax``.

    Parameters
    ----------
    threshold_rel : float
        Threshold relative to the largest singular value smax, from 0 to 1.

    Raises
    ------
    ValueError
        Where `threshold_rel` is not within 0 to 1.

    Source: Wu O. 2003, MRM 50:164; Fieselmann 2011.
    """

    threshold_rel: float = 0.15

    def __post_init__(self) -> None:
        if not 0 <= self.threshold_rel <= 1:
            raise ValueError(f"threshold_rel: got {self.threshold_rel}; allowed: 0 to 1")


@dataclass(frozen=True)
class Osvd:
    """Truncated SVD with a threshold of each voxel's own: the lowest that lets its residue not oscillate.

    The threshold is raised one singular value at a time until the residue's oscillation index
    ``sum |r[k] - 2 r[k-1] + r[k-2]| / (M max r)`` is at most `oscillation_index`.

    Parameters
    ----------
    oscillation_index : float
        Above 0. Usual limits are 0.095 in CT and 0.035 in MR.

    Raises
    ------
    ValueError
        Where `oscillation_index` is not above 0.

    Source: Wu O. 2003, MRM 50:164.
    """

    oscillation_index: float = 0.095

    def __post_init__(self) -> None:
        if not self.oscillation_index > 0:
            raise ValueError(f"oscillation_index: got {self.oscillation_index}; allowed: above 0")


@dataclass(frozen=True)
class Gcv:
    """Tikhonov with one weight for the whole scan, at the least generalised cross-validation score.

    See `ctpbench.perfusion.regularisation_weight` for what is computed.

    Parameters
    ----------
    lambda_rel_min, lambda_rel_max : float
        Bounds of the search, relative to the largest singular value smax of A; above 0, the first below the second.

    Raises
    ------
    ValueError
        Where the bounds are not so.

    Source: Golub, Heath, Wahba 1979, Technometrics 21:215.
    """

    lambda_rel_min: float = 0.003
    lambda_rel_max: float = 1.0

    def __post_init__(self) -> None:
        _check_bounds(self.lambda_rel_min, self.lambda_rel_max)


@dataclass(frozen=True)
class LCurve:
    """Tikhonov with one weight for the whole scan, at the corner of the L-curve.

    See `ctpbench.perfusion.regularisation_weight` for what is computed. Parameters and errors as `Gcv`.

    Source: Hansen, O'Leary 1993, SIAM J Sci Comput 14:1487.
    """

    lambda_rel_min: float = 0.003
    lambda_rel_max: float = 1.0

    def __post_init__(self) -> None:
        _check_bounds(self.lambda_rel_min, self.lambda_rel_max)


Deconvolution: TypeAlias = Tikhonov | Tsvd | Osvd | Gcv | LCurve
"""How ``c = A r`` is solved, with its parameters."""

DEFAULT = Tikhonov()


def _check_bounds(least: float, most: float) -> None:
    if not 0 < least < most < math.inf:
        raise ValueError(
            f"lambda_rel_min, lambda_rel_max: got {least} and {most}; allowed: above 0, the first below the second"
        )
