"""Reads prepared slices: one `.npz` file each, which says all of a slice but its voxel's size."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ctpbench import MAPS, DataError, Split
from ctpbench.arrays import Array
from ctpbench_phantom.series import SliceSeries

_ARRAYS = {
    "frames": "(time, y, x), HU above baseline",
    "baseline": "(y, x), HU",
    "brain": "(y, x), bool",
    "aif": "(time), HU above baseline",
    "cbf": "(y, x), mL/100 g/min",
    "cbv": "(y, x), mL/100 g",
    "mtt": "(y, x), s",
    "times": "(time), s",
}
_MOST_BYTES = 2**32
"""Of all arrays of a slice: 500 frames of 1024 x 1024 pixels. A small file may unpack to far more."""
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def files_by_split(path: Path) -> dict[Split, list[Path]]:
    """Return the `.npz` files of each split, in the order of their names.

    One file is the test split. A folder's own files are its test split too, unless it has folders named train,
    validation or test: then the files of each of these are that split.

    Raises
    ------
    DataError
        Where the path does not exist, holds no `.npz` file, or two files share a name.
    """
    if path.is_file():
        return {"train": [], "validation": [], "test": [path]}
    if not path.is_dir():
        raise DataError(f"{path}: got no such file or folder; allowed: a .npz file, or a folder of them")
    folders = {split: path / split for split in _SPLITS if (path / split).is_dir()} or {"test": path}
    files = {split: sorted(folders[split].glob("*.npz")) if split in folders else [] for split in _SPLITS}
    names = [file.stem for split in _SPLITS for file in files[split]]
    if not names:
        raise DataError(f"{path}: got no .npz file; allowed: files in it, or in its folders {', '.join(_SPLITS)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: got {twice[0]}.npz in two splits; allowed: each name once, for it is the case's id")
    return files


def read_prepared(path: Path) -> SliceSeries:
    """Return the slice in a `.npz` file.

    The file holds ``frames``, ``baseline``, ``brain``, ``aif``, ``cbf``, ``cbv``, ``mtt`` and ``times``; shapes and
    units are those of the plugin's README. Maps may be NaN outside the brain, and ``mtt`` where ``cbf`` is 0.

    Raises
    ------
    DataError
        Where the file cannot be read, or an array is missing, misshapen or not finite; names file and array.
    """
    arrays = _load(path)
    frames, times = arrays["frames"], arrays["times"]
    if frames.ndim != 3 or frames.shape[1] != frames.shape[2] or not frames.size:
        raise _fault(path, "frames", f"shape {frames.shape}", f"{_ARRAYS['frames']}, as many rows as columns")
    if frames.shape[0] < 3:
        raise _fault(path, "frames", f"{frames.shape[0]} frames", "3 or more")
    sizes = dict(zip(("time", "y", "x"), frames.shape, strict=True))
    for name, form in _ARRAYS.items():
        shape = tuple(sizes[dim] for dim in form[1 : form.index(")")].split(", "))
        if arrays[name].shape != shape:
            raise _fault(path, name, f"shape {arrays[name].shape}", f"{shape}: {form}")
    _check_values(path, arrays)

    brain = arrays["brain"]
    ttp = np.where(brain, times[frames.argmax(axis=0)] - times[0], np.nan)
    unknown = np.full(brain.shape, np.nan)
    by_name = {**{name: np.where(brain, arrays[name], np.nan) for name in ("cbf", "cbv", "mtt")}, "ttp": ttp}
    return SliceSeries(
        series=(arrays["baseline"] + frames).astype(np.float32),
        times_s=times,
        aif=arrays["aif"].astype(np.float32),
        vof=None,
        maps=np.stack([by_name.get(name, unknown) for name in MAPS]).astype(np.float32),
        brain=brain,
    )


def _load(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array without a name")
            missing = [name for name in _ARRAYS if name not in archive.files]
            if missing:
                raise _fault(path, missing[0], "none", f"all of {', '.join(_ARRAYS)}")
            size = sum(archive.zip.getinfo(f"{name}.npy").file_size for name in _ARRAYS)
            if size > _MOST_BYTES:
                raise ValueError(
                    f"its arrays take {size / 2**30:.1f} GiB, more than the {_MOST_BYTES / 2**30:g} of a slice"
                )
            arrays = {name: archive[name] for name in _ARRAYS}
    except (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as .npz ({error}); allowed: what numpy.savez writes") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise _fault(path, name, f"dtype {array.dtype}", "numbers")
    if arrays["brain"].dtype != bool:
        raise _fault(path, "brain", f"dtype {arrays['brain'].dtype}", "bool")
    return {name: array if name == "brain" else array.astype(np.float64) for name, array in arrays.items()}


def _check_values(path: Path, arrays: dict[str, Array]) -> None:
    for name in ("frames", "baseline", "aif", "times"):
        _check_finite(path, name, arrays[name])
    brain = arrays["brain"]
    if not brain.any():
        raise _fault(path, "brain", "an empty mask", "at least one pixel")
    for name in ("cbf", "cbv"):
        _check_finite(path, name, arrays[name][brain], " inside the brain")
    _check_finite(path, "mtt", arrays["mtt"][brain & (arrays["cbf"] != 0)], " inside the brain where cbf is not 0")
    if not (np.diff(arrays["times"]) > 0).all():
        raise _fault(path, "times", "times that do not increase", "each later than the one before")
    if not arrays["aif"].max() > 0:
        raise _fault(path, "aif", "no value above 0", "HU above baseline with a bolus")


def _check_finite(path: Path, name: str, values: Array, where: str = "") -> None:
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise _fault(path, name, f"{bad} values that are NaN or infinite", f"finite values{where}")


def _fault(path: Path, name: str, got: str, allowed: str) -> DataError:
    return DataError(f"{path}: array {name!r}: got {got}; allowed: {allowed}")
