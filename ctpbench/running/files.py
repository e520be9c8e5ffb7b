"""Observations, truths and arrays of a case as files: numpy's ``.npz`` with a header that says what is what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import xarray as xr

from ctpbench.contract.case import TRUTH_PARTS, Truth
from ctpbench.contract.observation import Observation
from ctpbench.errors import ResultError
from ctpbench.running.archive import read_arrays


def file_name(case: str, way: int = 0) -> str:
    """Return a case's file name, whatever characters its id holds; in a folder for each further way of making it."""
    return (f"{way}/" if way else "") + quote(case, safe=" ") + ".npz"


def save_observation(observation: Observation, path: Path) -> None:
    """Write an observation as ``.npz``, with its coordinates."""
    _write(observation.frames.to_dataset(name="frames"), path)


def load_observation(path: Path) -> Observation:
    """Read what `save_observation` wrote; its arrays are read-only."""
    frames = _read(path)["frames"]
    for array in (frames, *frames.coords.values()):
        array.values.setflags(write=False)
    return Observation(frames)


def save_truth(truth: Truth, path: Path) -> None:
    """Write a truth as ``.npz``: those of its parts that are known."""
    save_arrays(path, **{name: getattr(truth, name) for name in TRUTH_PARTS})


def load_truth(path: Path) -> Truth:
    """Read what `save_truth` wrote."""
    parts = _read(path)
    return Truth(**{name: parts.get(name) for name in TRUTH_PARTS})


def save_arrays(path: Path, **arrays: xr.DataArray | None) -> None:
    """Write named arrays as ``.npz``, without the coordinates that the observation already holds."""
    known = {name: array for name, array in arrays.items() if array is not None}
    _write(xr.Dataset({name: a.drop_vars(set(a.coords) - set(a.dims)) for name, a in known.items()}), path)


def load_arrays(path: Path) -> xr.Dataset:
    """Read what `save_arrays` wrote."""
    return _read(path)


def _write(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as numpy arrays and a header. NetCDF costs ten times as long, which tuning would pay."""
    variables = {str(name): variable for name, variable in dataset.variables.items()}
    coords = {str(name) for name in dataset.coords}
    header = {name: {"dims": v.dims, "attrs": v.attrs, "coord": name in coords} for name, v in variables.items()}
    arrays: dict[str, Any] = {name: variable.values for name, variable in variables.items()}
    with path.open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header, default=np.ndarray.tolist)), **arrays)


def _read(path: Path) -> xr.Dataset:
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays["header"]))
        parts = {name: (about["dims"], arrays[name], about["attrs"]) for name, about in header.items()}
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(f"{path}: unreadable ({error}); delete it and run again") from error
    coords = {name: parts.pop(name) for name, about in header.items() if about["coord"]}
    return xr.Dataset(parts, coords)
