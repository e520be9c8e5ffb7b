"""The dataset `isles2018`: the CT-perfusion scans of the Ischemic Stroke Lesion Segmentation challenge of 2018."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ctpbench import DataError, FileStamps, Series, Split, file_stamps
from ctpbench.arrays import Mask
from ctpbench_isles import splits
from ctpbench_isles.file_kinds import find_nifti, folders_at
from ctpbench_isles.scans import RecordedScans, ScanFiles

INTERVAL_S = 1.0
"""Time between frames, where a file has none."""

# The authors train on all but the last 5 of their list, test on these (CTP/real/TrainFrameToAvg.py, nTest = 5), and
# name 16 and 4 patients in the paper: one of the 5 has no region of interest and is in no score. The one that is
# over before the test split is left for validation.
_PAPER_TEST, _PAPER_VALIDATION = 5, 1
# What the paper says of its scans: "2, 4, or 8 slices with 40 to 50 frames", "similar noise appearance", 16 and 4 of
# them; the 2 for validation are ours.
_PAPER_SLICES, _PAPER_FRAMES = (2, 4, 8), (40, 50)
_PAPER_COUNTS: dict[Split, int] = {"train": 16, "validation": 2, "test": 4}
_CASE = re.compile(r"case[_-]?(\d+)", re.IGNORECASE)


class Isles2018(RecordedScans):
    """CT-perfusion scans of acute stroke with the infarct core drawn on DWI: the ISLES challenge of 2018.

    A case is a slab of 2 to 22 slices of 256x256 pixels with 43 to 64 frames at 1 s; `training` cases know their core.
    Some scans were filtered in time by their scanner: the inspection says which.

    Sources: Hakim et al. 2021, Stroke 52:2328 (challenge); Cereda et al. 2016, J Cereb Blood Flow Metab 36:1780
    (scans); Wu, Ren, Li, section V-A2 (`paper_list`).
    """

    name, version = "isles2018", "1"
    about_root: ClassVar = "the folder that holds TRAINING"
    root_variable: ClassVar = "ISLES2018_ROOT"

    preset: Annotated[
        Literal["default", "paper"],
        Field(description="paper: aif_method kmeans, and 16 + 2 + 4 of the scans that its criteria fit; see README"),
    ] = "default"
    part: Annotated[
        Literal["training", "testing"], Field(description="which of the challenge's folders; testing has no cores")
    ] = "training"
    paper_list: Annotated[
        Path | None,
        Field(description="filelist_uncor.npy of the paper's authors, or a text file of case numbers in order"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Take the preset's values for what is not given."""
        paper = isinstance(given, Mapping) and given.get("preset") == "paper"
        return {"aif_method": "kmeans", **given} if paper else given

    @model_validator(mode="after")
    def _check_paper_list(self) -> Self:
        if self.paper_list is not None and any(self._lists.values()):
            raise ValueError(
                "paper_list: got cases listed in train_cases, validation_cases or test_cases as well; "
                "allowed: one or the other; leave those out"
            )
        return self

    def _scans(self) -> dict[str, ScanFiles]:
        root = self._root
        cases = [(path, int(match[1])) for path in folders_at(root) if (match := _CASE.fullmatch(path.name))]
        parts = {path: {name.lower() for name in path.relative_to(root.parent).parts} for path, _ in cases}
        inside = [(path, number) for path, number in cases if self.part in parts[path]]
        loose = [(path, number) for path, number in cases if not parts[path] & {"training", "testing"}]
        numbered: dict[int, Path] = {}
        for path, number in inside or loose:
            if number in numbered:
                raise DataError(f"{path}: got a second case {number}, after {numbered[number]}; allowed: each once")
            numbered[number] = path
        return {f"case_{number}": _scan(path) for number, path in sorted(numbered.items())}

    def _open(self, scan: ScanFiles) -> Series:
        from ctpbench_isles.nifti import NiftiSeries

        return NiftiSeries(_only(scan.path, "4DPWI"), known_interval_s=INTERVAL_S)

    def _known_regions(self, scan: ScanFiles, series: Series) -> dict[str, Mask]:
        from ctpbench_isles.masks import read_mask

        _, depth, rows, columns = series.shape
        drawn = _named(scan.path, ".OT.")
        return {"core": read_mask(drawn[0], (depth, rows, columns))} if drawn else {}

    def _splits(self, scans: Mapping[str, ScanFiles]) -> splits.Splits:
        if self.paper_list is None:
            listed = self.preset == "default" or any(self._lists.values())
            return super()._splits(scans) if listed else self._paper_splits(scans)
        cases = _paper_cases(self.paper_list)
        train = len(cases) - _PAPER_TEST - _PAPER_VALIDATION
        if train < 1:
            raise DataError(f"{self.paper_list}: got {len(cases)} cases; allowed: more than {len(cases) - train}")
        lists: splits.Splits = {
            "train": cases[:train],
            "validation": cases[train : train + _PAPER_VALIDATION],
            "test": cases[train + _PAPER_VALIDATION :],
        }
        return splits.listed(list(scans), lists, f"{self.name}: {self.paper_list}")

    def _paper_splits(self, scans: Mapping[str, ScanFiles]) -> splits.Splits:
        """Return the first 22 scans that fit what the paper says of its own, in order: train, validation, test."""
        wanted = sum(_PAPER_COUNTS.values())
        fitting = [name for name, scan in scans.items() if _fits_the_paper(self, scan, file_stamps(scan.files))]
        if len(fitting) < wanted:
            raise DataError(
                f"{self.name}: preset paper: got {len(fitting)} scans of 2, 4 or 8 slices and 40 to 50 frames that "
                f"were not filtered in time; allowed: {wanted} or more; or list train_cases and test_cases"
            )
        lists: splits.Splits = {}
        for split, count in _PAPER_COUNTS.items():
            lists[split], fitting = fitting[:count], fitting[count:]
        return lists


@lru_cache(maxsize=1024)
def _fits_the_paper(dataset: Isles2018, scan: ScanFiles, files: FileStamps) -> bool:
    """Return whether a scan is as the paper's were, by its size and by the noise of its middle slice.

    `files` is in the key so that a changed file is read again.
    """
    from ctpbench import INDEPENDENT
    from ctpbench.perfusion import brain_mask, noise_statistics, vessel_mask

    try:
        series = dataset._open(scan)
        frames, depth, *_ = series.shape
        if depth not in _PAPER_SLICES or not _PAPER_FRAMES[0] <= frames <= _PAPER_FRAMES[1]:
            return False
        slab = series.read(slice(depth // 2, depth // 2 + 1))
        tissue = brain_mask(slab, series.spacing_mm) & ~vessel_mask(slab)
        return abs(noise_statistics(slab, tissue).corr_time) <= INDEPENDENT
    except DataError:  # unreadable, or without a brain
        return False


def _scan(folder: Path) -> ScanFiles:
    files = (*_named(folder, "4DPWI"), *_named(folder, ".OT."))
    return ScanFiles(folder, folder.name, files)


def _named(folder: Path, kind: str) -> list[Path]:
    """Return the images of a case of one kind, as in SMIR.Brain.XX.O.CT_4DPWI.345561.nii, whatever their number."""
    return find_nifti(folder, f"*{kind}*")


def _only(folder: Path, kind: str) -> Path:
    found = _named(folder, kind)
    if len(found) != 1:
        raise DataError(f"{folder}: got {len(found)} files *{kind}*.nii; allowed: one, the 4-D series")
    return found[0]


def _paper_cases(path: Path) -> list[str]:
    try:
        numbers = np.load(path).tolist() if path.suffix == ".npy" else path.read_text(encoding="utf-8").split()
        cases = [f"case_{int(number)}" for number in numbers]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: got {error}; allowed: the numbers of cases, in order") from None
    if len(set(cases)) < len(cases):
        raise DataError(f"{path}: got a case twice; allowed: the numbers of cases, each once, in order")
    return cases
