"""What components answer, checked in one place: by the harness as a run goes on, and by the conformance kit before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.contract.better import cost, least_cost
from ctpbench.contract.case import MAPS, ScoredCase
from ctpbench.contract.components import SCORE_DIMS, Better, Denoiser, Quantity
from ctpbench.errors import DataError
from ctpbench.text import plain_text

MOST_DIAGNOSTICS = 100
"""Numbers that a method may report of itself."""
_DIAGNOSTIC = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)


def check_score(
    score: object,
    case: ScoredCase,
    name: str,
    quantity: Quantity = "number",
    better: Better = "none",
    best: float | None = None,
) -> xr.DataArray:
    """Return what a metric returned, where it is a score.

    Parameters
    ----------
    score : object
        Must be a DataArray of floats whose dims are among `SCORE_DIMS`, each with a coordinate that holds no value
        twice: maps by their names in `MAPS`, times of the case's frames.
    case : ScoredCase
        What the metric was given.
    name : str
        What the metric is called in messages.
    quantity : {"number", "decision"}
        As of the metric: a decision must be 1, 0 or NaN.
    better : {"lower", "higher", "zero", "none"}
    best : float or None
        As of the metric: no score may be better, but for rounding.

    Raises
    ------
    ValueError
        Where it is none; one line that names the metric.

    Examples
    --------
    >>> from ctpbench.testing import example_scored_case
    >>> case = example_scored_case()
    >>> check_score(xr.DataArray([0.5, 0.25], dims="map", coords={"map": ["cbf", "cbv"]}), case, "error").dims
    ('map',)
    >>> check_score(case.maps.mean("map"), case, "error")
    Traceback (most recent call last):
        ...
    ValueError: metric 'error': got dims ('z', 'y', 'x'); allowed: any of map, time, frequency, roi
    """
    where = f"metric {name!r}"
    if not isinstance(score, xr.DataArray):
        raise ValueError(f"{where}: got {type(score).__name__}; allowed: DataArray")
    if not set(score.dims) <= set(SCORE_DIMS):
        raise ValueError(f"{where}: got dims {score.dims}; allowed: any of {', '.join(SCORE_DIMS)}")
    if not np.issubdtype(score.dtype, np.floating):
        raise ValueError(f"{where}: got dtype {score.dtype}; allowed: float32 or float64")
    known = {"map": (MAPS, ", ".join(MAPS)), "time": (case.observation.times_s.tolist(), "the observation's times")}
    for dim in map(str, score.dims):
        if dim not in score.coords:
            raise ValueError(f"{where}: got no coordinate for {dim}; allowed: one for each dim")
        values = score[dim].values.tolist()
        twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
        if twice:
            raise ValueError(f"{where}: got {dim} {_first(twice)} more than once; allowed: once each")
        possible, allowed = known.get(dim, (values, ""))
        unknown = [value for value in values if value not in possible]
        if unknown:
            raise ValueError(f"{where}: got {dim} {_first(unknown)}; allowed: {allowed}, once each")
    undecided = [value for value in score.values.ravel().tolist() if value not in (0, 1) and value == value]
    if quantity == "decision" and undecided:
        raise ValueError(f"{where}: got {_first(undecided)}; allowed: 1, 0 or NaN, for it is a decision")
    if best is not None:
        known = score.values[np.isfinite(score.values)].astype(np.float64)
        beyond = known[cost(known, better) < least_cost(best, better)]
        if beyond.size:
            raise ValueError(f"{where}: got {_first(beyond.tolist())}; allowed: none better than its best, {best:g}")
    return score


def check_frame_count(denoiser: Denoiser, frames: xr.DataArray) -> None:
    """Check that a denoiser takes so many frames, before it is given them: see `Denoiser.needs_frames`.

    Parameters
    ----------
    denoiser : Denoiser
        Also one that is still to be fitted.
    frames : DataArray, (time, z, y, x)
        What it is to be given: frames or concentration, of a case to denoise or to learn from.

    Raises
    ------
    DataError
        Where it needs another number; one line that names the denoiser.
    """
    needed, got = denoiser.needs_frames, frames.sizes["time"]
    if needed is not None and needed != got:
        name = getattr(denoiser, "name", type(denoiser).__name__)
        raise DataError(
            f"denoiser {name!r}: got {got} frames; allowed: {needed}; "
            "choose a dataset with as many, or other parameters"
        )


def check_diagnostics(output: xr.DataArray, name: str) -> dict[str, float]:
    """Return the numbers that a method reports of itself, in ``attrs["diagnostics"]`` of its output.

    Raises
    ------
    ValueError
        Where it is no mapping of plain names to finite numbers, not too many; one line that begins with `name`.

    Examples
    --------
    >>> check_diagnostics(xr.DataArray(0.0, attrs={"diagnostics": {"iterations": 12}}), "denoise")
    {'iterations': 12.0}
    >>> check_diagnostics(xr.DataArray(0.0), "denoise")
    {}
    """
    given = output.attrs.get("diagnostics", {})
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: diagnostics: got {type(given).__name__}; allowed: a mapping of text to numbers")
    wrong = [f"{key!r}: {value!r}" for key, value in given.items() if not (isinstance(key, str) and _finite(value))]
    if wrong:
        got = plain_text(" ".join(_first(wrong).split()), 200)
        raise ValueError(f"{name}: diagnostics: got {got}; allowed: text with a finite number each")
    if odd := [repr(key) for key in given if not _DIAGNOSTIC.fullmatch(key)]:
        got = plain_text(_first(odd), 200)
        raise ValueError(
            f"{name}: diagnostics: got {got}; allowed: letters, digits, _, -, ., 64 at most, a letter first"
        )
    if len(given) > MOST_DIAGNOSTICS:
        raise ValueError(f"{name}: diagnostics: got {len(given)}; allowed: {MOST_DIAGNOSTICS} or fewer")
    return {key: float(value) for key, value in given.items()}


def _finite(value: object) -> bool:
    number = np.asarray(value)
    return number.ndim == 0 and number.dtype.kind in "biuf" and bool(np.isfinite(number))


def _first(values: Sequence[object], most: int = 3) -> str:
    """Name some of many values."""
    return ", ".join(map(str, values[:most])) + ("..." if len(values) > most else "")


def check_output(output: object, dims: Sequence[str], like: xr.DataArray, name: str) -> xr.DataArray:
    """Return a method's output where it is sound.

    Parameters
    ----------
    output : object
        Must be a float32 DataArray of finite values.
    dims : sequence of str
        Its dimensions, in order.
    like : DataArray
        Sizes and coordinates must equal its, wherever it has the dimension.
    name : str
        What the output is called in messages.

    Raises
    ------
    ValueError
        Where it is not; one line.

    Examples
    --------
    >>> frames = xr.DataArray(np.zeros((3, 2), np.float32), dims=("time", "x"))
    >>> check_output(frames.copy(), ("time", "x"), frames, "denoise").dims
    ('time', 'x')
    >>> check_output(frames[1:], ("time", "x"), frames, "denoise")
    Traceback (most recent call last):
        ...
    ValueError: denoise: got 2 along time; allowed: 3
    """
    if not isinstance(output, xr.DataArray):
        raise ValueError(f"{name}: got {type(output).__name__}; allowed: DataArray {tuple(dims)}")
    if output.dims != tuple(dims):
        raise ValueError(f"{name}: got dims {output.dims}; allowed: {tuple(dims)}")
    for dim in dims:
        if dim not in like.dims:
            continue
        if output.sizes[dim] != like.sizes[dim]:
            raise ValueError(f"{name}: got {output.sizes[dim]} along {dim}; allowed: {like.sizes[dim]}")
        if dim in output.coords and not np.array_equal(output[dim].values, like[dim].values):
            raise ValueError(f"{name}: coordinate {dim} was changed; allowed: the input's")
    if output.dtype != np.float32:
        raise ValueError(f"{name}: got dtype {output.dtype}; allowed: float32")
    bad = int(np.size(output.values) - np.isfinite(output.values).sum())
    if bad:
        raise ValueError(f"{name}: got {bad} values that are NaN or infinite; allowed: finite values")
    return output


def check_learning_curve(curve: object) -> dict[str, list[float | None]]:
    """Return a learning curve as lists of plain numbers, None for each that is not finite.

    Raises
    ------
    ValueError
        Where it is no mapping of names to equally long lists of numbers with finite ``step`` among them.

    Examples
    --------
    >>> check_learning_curve({"step": [0, 100], "loss": [2.5, np.nan]})
    {'step': [0.0, 100.0], 'loss': [2.5, None]}
    """
    if not isinstance(curve, Mapping):
        raise ValueError(f"learning_curve: got {type(curve).__name__}; allowed: a mapping of lists, or None")
    if "step" not in curve:
        raise ValueError(f"learning_curve: got {', '.join(map(repr, curve)) or 'nothing'}; allowed: 'step' among them")
    columns: dict[str, Float64] = {}
    for name, values in curve.items():
        column = np.asarray(values)
        if not isinstance(name, str) or column.ndim != 1 or (column.size and column.dtype.kind not in "iuf"):
            got = f"{column.dtype} of shape {column.shape}"
            raise ValueError(f"learning_curve: {name!r}: got {got}; allowed: a name and a list of numbers")
        columns[name] = column.astype(np.float64)
    lengths = {name: column.size for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"learning_curve: got lengths {lengths}; allowed: equally long lists")
    if not np.isfinite(columns["step"]).all():
        raise ValueError("learning_curve: step: got NaN or infinity; allowed: finite numbers")
    return {name: [v if np.isfinite(v) else None for v in column.tolist()] for name, column in columns.items()}
