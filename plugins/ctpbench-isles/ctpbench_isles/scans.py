"""What all datasets of recorded scans share: splits by patient, slabs, input functions, regions, lower doses."""

from __future__ import annotations

import math
import os
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ctpbench import (
    Case,
    DataError,
    Dataset,
    FileStamps,
    Series,
    Split,
    Truth,
    file_stamps,
    files_fingerprint,
    regions,
)
from ctpbench.arrays import Mask
from ctpbench_isles import splits
from ctpbench_isles.file_kinds import NIFTI_ENDINGS

if TYPE_CHECKING:
    from ctpbench import Inspection

_SLAB = re.compile(r"(?P<scan>.+)/z(?P<first>\d+)-(?P<last>\d+)")


@dataclass(frozen=True)
class ScanFiles:
    """Where one scan lies, found by names alone.

    Attributes
    ----------
    path : Path
        The file or folder of the series; where there is none, the place where it should be.
    patient : str
        Scans of one patient are never in two splits.
    files : tuple of Path
        All that is read for it.
    """

    path: Path
    patient: str
    files: tuple[Path, ...]


class RecordedScans(Dataset):
    """Recorded scans. Noise is the fraction of the dose, above 0 and up to 1; without it the scan is as acquired."""

    noise_symbol, noise_units = "dose", "of the scan's"
    about_root: ClassVar[str]
    root_variable: ClassVar[str | None] = None

    root: Annotated[Path | None, Field(description="where the data lie; see README")] = None
    train_cases: Annotated[tuple[str, ...], Field(description="ids of the training split; overrides the shares")] = ()
    validation_cases: Annotated[tuple[str, ...], Field(description="ids of the validation split")] = ()
    test_cases: Annotated[tuple[str, ...], Field(description="ids of the test split")] = ()
    validation_share: Annotated[float, Field(ge=0, le=1, description="of the patients, where no ids are listed")] = 0.1
    test_share: Annotated[float, Field(ge=0, le=1, description="of the patients, where no ids are listed")] = 0.2
    split_seed: Annotated[int, Field(ge=0, description="which patients the shares draw")] = 0
    aif_method: Annotated[
        Literal["components", "kmeans"], Field(description="how arteries and veins are found; kmeans is the paper's")
    ] = "components"
    partial_volume: Annotated[bool, Field(description="whether the AIF is scaled to the area of the VOF")] = True
    aifs: Annotated[
        Path | None, Field(description="folder of AIFs of your own, CASE_aif.csv of time_s,HU; the rest are looked for")
    ] = None
    slab_slices: Annotated[
        int | None, Field(ge=1, description="cut each scan into cases of so many slices, with the whole scan's AIF")
    ] = None
    rois: Annotated[
        Path | None, Field(description="folder of drawn masks, CASE_core.nii.gz and CASE_white_matter.nii.gz")
    ] = None

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        names = [name for cases in self._lists.values() for name in cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                "train_cases, validation_cases, test_cases: "
                f"got {', '.join(twice)} more than once; allowed: each case in one split"
            )
        if self.validation_share + self.test_share > 1:
            raise ValueError(
                f"validation_share, test_share: got {self.validation_share:g} and {self.test_share:g}; "
                "allowed: up to 1 together"
            )
        return self

    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's scans or, with `slab_slices`, of their slabs, such as ``case_3/z00-07``.

        Raises
        ------
        DataError
            Where the data are missing, or a listed case is.
        """
        scans = self._found()
        return [case for scan_id in self._splits(scans).get(split, []) for case in self._slabs(scan_id, scans[scan_id])]

    def patient(self, case_id: str) -> str:
        """Return whose scan or slab it is: the first scan of the same patient, so that results name nobody."""
        scans = self._found()
        slab = None if case_id in scans else _SLAB.fullmatch(case_id)
        whose = scans[slab["scan"] if slab else case_id].patient
        return next(scan_id for scan_id, scan in scans.items() if scan.patient == whose)

    def load(self, case_id: str, noise: float | None) -> Case:
        """Return one scan or slab at a fraction of its dose; as acquired where `noise` is None or 1.

        Raises
        ------
        DataError
            Where there is no such case, it cannot be read or holds no artery, or the dose is out of bounds.
        """
        if noise is not None and not (math.isfinite(noise) and 0 < noise <= 1):
            raise DataError(f"{self.name}: noise: got {noise}; allowed: a fraction of the dose, up to 1, or none")
        scans = self._found()
        slab = None if case_id in scans else _SLAB.fullmatch(case_id)
        scan_id = slab["scan"] if slab else case_id
        if scan_id not in scans:
            raise DataError(f"{self.name}: no case {case_id!r}; allowed: {splits.summary(list(scans))}")
        scan = scans[scan_id]
        own = self._own_aif(scan_id)
        stamps = file_stamps((*scan.files, *([own] if own else [])))
        inspection = _inspected(self, scan_id, 1.0 if noise is None else float(noise), scan, stamps)
        depth = inspection.series.shape[1]
        slices = slice(int(slab["first"]), int(slab["last"]) + 1) if slab else slice(0, depth)
        if not slices.start < slices.stop <= depth:
            raise DataError(f"{self.name}: no case {case_id!r}; allowed: slices 0 to {depth - 1} of {scan_id}")
        masks = {name: mask[slices] for name, mask in self._regions(scan_id, scan, inspection.series).items()}
        truth = Truth(rois=regions(**masks)) if masks else None
        found = {**inspection.facts, "warnings": "; ".join(inspection.warnings)}
        return Case(case_id, inspection.observation(slices), truth, inspection=found)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and times of all files that are read."""
        scans = self._found()
        paths = {path for scan in scans.values() for path in scan.files}
        paths.update(path for scan_id in scans for path in self._drawn(scan_id).values())
        paths.update(path for scan_id in scans if (path := self._own_aif(scan_id)))
        return files_fingerprint(sorted(paths))

    @abstractmethod
    def _scans(self) -> dict[str, ScanFiles]:
        """Return the scans by id, in order, without opening one; DataError where the data are missing."""

    @abstractmethod
    def _open(self, scan: ScanFiles) -> Series:
        """Open a scan; DataError where it cannot be read."""

    def _known_regions(self, scan: ScanFiles, series: Series) -> dict[str, Mask]:
        """Return the regions of interest that the data themselves hold, (z, y, x)."""
        return {}

    def _splits(self, scans: Mapping[str, ScanFiles]) -> splits.Splits:
        if any(self._lists.values()):
            return splits.listed(list(scans), self._lists, self.name)
        patients = {scan_id: scan.patient for scan_id, scan in scans.items()}
        return splits.drawn(patients, self.validation_share, self.test_share, self.split_seed)

    @property
    def _lists(self) -> dict[Split, tuple[str, ...]]:
        return {"train": self.train_cases, "validation": self.validation_cases, "test": self.test_cases}

    @property
    def _root(self) -> Path:
        """The folder or file that `root` names, or else the environment, which is there."""
        variable = os.environ.get(self.root_variable) if self.root_variable else None
        root = self.root or (Path(variable) if variable else None)
        if root is None or not root.exists():
            got = "nothing" if root is None else f"{root}, which is not there"
            how = f"; give it, or set the environment variable {self.root_variable}" if self.root_variable else ""
            raise DataError(f"{self.name}: root: got {got}; allowed: {self.about_root}{how}")
        return root

    def _found(self) -> dict[str, ScanFiles]:
        scans = self._scans()
        if not scans:
            raise DataError(f"{self.name}: {self._root}: got no scan; allowed: {self.about_root}")
        return scans

    def _slabs(self, scan_id: str, scan: ScanFiles) -> Iterator[str]:
        if self.slab_slices is None:
            yield scan_id
            return
        try:
            depth = _depth(self, scan, file_stamps(scan.files))
        except DataError:  # is raised when the case is loaded, so that the others can be run
            yield scan_id
            return
        for first in range(0, depth, self.slab_slices):
            yield f"{scan_id}/z{first:02d}-{min(first + self.slab_slices, depth) - 1:02d}"

    def _inspect(self, scan_id: str, scan: ScanFiles, dose_fraction: float) -> Inspection:
        series = self._open(scan)
        if dose_fraction < 1:
            from ctpbench_isles.lower_dose import LowerDose

            series = LowerDose(series, dose_fraction, scan_id)
        from ctpbench import inspect_series  # which listing the datasets need not load

        return inspect_series(
            series, aif_method=self.aif_method, partial_volume=self.partial_volume, aif=self._own_aif(scan_id)
        )

    def _regions(self, scan_id: str, scan: ScanFiles, series: Series) -> dict[str, Mask]:
        """Return the regions of interest: those that the user drew before those that the data hold."""
        from ctpbench_isles.masks import read_mask

        _, depth, rows, columns = series.shape
        drawn = {name: read_mask(path, (depth, rows, columns)) for name, path in self._drawn(scan_id).items()}
        return drawn if "core" in drawn else {**self._known_regions(scan, series), **drawn}

    def _own_aif(self, scan_id: str) -> Path | None:
        """Return the file with the AIF that the user gives for a scan."""
        if self.aifs is None:
            return None
        if not self.aifs.is_dir():
            raise DataError(f"{self.name}: aifs: got {self.aifs}, which is no folder; allowed: one of curves, or none")
        path = self.aifs / f"{scan_id}_aif.csv"
        return path if path.is_file() else None

    def _drawn(self, scan_id: str) -> dict[str, Path]:
        if self.rois is None:
            return {}
        if not self.rois.is_dir():
            raise DataError(f"{self.name}: rois: got {self.rois}, which is no folder; allowed: one of masks, or none")
        paths = {
            (name, ending): self.rois / f"{scan_id}_{name}{ending}"
            for name in ("core", "white_matter")
            for ending in NIFTI_ENDINGS
        }
        return {name: path for (name, _), path in paths.items() if path.is_file()}


@lru_cache(maxsize=1)
def _inspected(
    dataset: RecordedScans, scan_id: str, dose_fraction: float, scan: ScanFiles, files: FileStamps
) -> Inspection:
    """Inspect a scan once for all its slabs. `files` is in the key so that a changed file is read again."""
    return dataset._inspect(scan_id, scan, dose_fraction)


@lru_cache(maxsize=1024)
def _depth(dataset: RecordedScans, scan: ScanFiles, files: FileStamps) -> int:
    """Return how many slices a scan has; remembered, for a DICOM scan has thousands of headers to read."""
    return dataset._open(scan).shape[1]
