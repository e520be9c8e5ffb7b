"""Observations, truths and arrays of a case as files: numpy's ``.npz`` with a header that says what is what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from ctpbench.contract.case import TRUTH_PARTS, Truth
from ctpbench.contract.observation import Observation
from ctpbench.errors import ResultError
from ctpbench.running.archive import read_arrays

if TYPE_CHECKING:
    import xarray as xr

_SMALL_BYTES = 2**20
"""What is put together in memory: numpy goes back and forth in a file, and each time it is written to."""


def file_name(case: str, way: int = 0) -> str:
    """Return a case's file name, whatever characters its id holds; in a folder for each further way of making it."""
    return (f"{way}/" if way else "") + quote(case, safe=" ") + ".npz"


def save_observation(observation: Observation, path: Path) -> None:
    """Write an observation as ``.npz``, with its coordinates."""
    frames = observation.frames
    _write({"frames": frames.variable}, {str(name): coord.variable for name, coord in frames.coords.items()}, path)


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
    coords = {str(dim): array[dim].variable for array in known.values() for dim in array.dims if dim in array.coords}
    _write({name: array.variable for name, array in known.items()}, coords, path)


def load_arrays(path: Path) -> xr.Dataset:
    """Read what `save_arrays` wrote."""
    return _read(path)


def _write(parts: Mapping[str, xr.Variable], coords: Mapping[str, xr.Variable], path: Path) -> None:
    """Write variables as numpy arrays and a header. NetCDF costs ten times as long, which tuning would pay."""
    variables = {**coords, **parts}
    header = {name: {"dims": v.dims, "attrs": v.attrs, "coord": name in coords} for name, v in variables.items()}
    arrays: dict[str, Any] = {name: variable.values for name, variable in variables.items()}
    arrays["header"] = np.array(json.dumps(header, default=np.ndarray.tolist))
    if sum(array.nbytes for array in arrays.values()) > _SMALL_BYTES:
        with path.open("wb") as file:
            np.savez(file, **arrays)
    else:
        memory = BytesIO()
        np.savez(memory, **arrays)
        path.write_bytes(memory.getbuffer())


def _read(path: Path) -> xr.Dataset:
    import xarray as xr  # here, for who only names a file does without

    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays["header"]))
        parts = {name: (about["dims"], arrays[name], about["attrs"]) for name, about in header.items()}
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(f"{path}: unreadable ({error}); delete it and run again") from error
    coords = {name: parts.pop(name) for name, about in header.items() if about["coord"]}
    return xr.Dataset(parts, coords)
