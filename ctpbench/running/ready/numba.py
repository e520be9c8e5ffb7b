"""Numba, and what it puts off until there is a kernel. None of its threads is started: they would not be forked."""

from __future__ import annotations

from contextlib import suppress


def nothing() -> None:
    """Do nothing, as a kernel."""


with suppress(Exception):  # where it fails here it fails with the method, where it is an outcome
    import numba
    import numba.np.ufunc.parallel

    numba.njit(nothing)()
