"""What the datasets share whose frames come from the simulated scanner: a case is scanned once for all noise levels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

import numpy as np
from pydantic import Field

from ctpbench import Case, DataError, Dataset, FileStamps, Observation, Split, file_stamps, files_fingerprint
from ctpbench_phantom.parameters import Detectors, ElectronicSigma, FilterWindow, PixelMm, SliceMm, Views
from ctpbench_phantom.scan import (
    SliceScan,
    check_photons,
    frames_at,
    noise_seed,
    scan_slice,
    table_scanner,
    truth_of,
)

if TYPE_CHECKING:
    from ctpbench.arrays import Float32, Float64, Mask
    from ctpbench_phantom.anatomy import Labels
    from ctpbench_phantom.scanner.geometry import Scanner
    from ctpbench_phantom.series import SliceSeries

Findings: TypeAlias = Mapping[str, bool | float | str]
_SPLITS: tuple[Split, ...] = ("test", "validation", "train")


@dataclass(frozen=True)
class Curves:
    """The input functions that a case hands over, (time), HU above baseline, and what was found out about them."""

    aif: Float32
    vof: Float32 | None
    findings: Findings | None = None


@dataclass(frozen=True)
class CaseScan:
    """What all noise levels of a case share.

    Attributes
    ----------
    slices : dict of SliceScan
        From the lowest up, by the names that seed their noise.
    times_s : ndarray, (time), float64, s
    aif : ndarray, (time), float32, HU above baseline
    vof : ndarray, (time), float32, HU above baseline, or None where unknown
    maps : ndarray, (map, z, y, x), float32
        In the order and units of `ctpbench.MAPS`; NaN where undefined.
    resolved : ndarray, (map, z, y, x), float32
        The maps as the scanner resolves them; see `ctpbench_phantom.resolution`.
    labels : ndarray, (z, y, x), int8, or None
        Values of `ctpbench_phantom.anatomy.Tissue`.
    brain : ndarray, (z, y, x), bool, or None where it is to be found from the frames
    rois : dict of ndarray, (z, y, x), bool
        Regions of interest beside those that the labels tell.
    """

    slices: Mapping[str, SliceScan]
    times_s: Float64
    aif: Float32
    vof: Float32 | None
    maps: Float32
    resolved: Float32
    labels: Labels | None
    brain: Mask | None
    rois: Mapping[str, Mask]


class SimulatedScan(Dataset):
    """Base of the datasets whose frames come from the simulated scanner.

    A subclass says which cases there are (`cases`), what their slices hold before they are scanned (`source`) and
    which files are read for that (`files`). Noise is N0, the number of photons per ray; without it the frames are free
    of noise.
    """

    noise_symbol, noise_units = "N0", "photons a ray"
    radiological: ClassVar[bool] = True  # as the package's own heads lie; others' files do not say

    pixel_mm: PixelMm = 1.0
    slice_mm: SliceMm = 1.0
    views: Views = 1152
    detectors: Detectors = 384
    window: FilterWindow = "hann"
    electronic_sigma: ElectronicSigma = 0.0
    seed: Annotated[int, Field(ge=0, description="which noise")] = 0

    @abstractmethod
    def source(self, case_id: str) -> Iterator[tuple[str, SliceSeries]]:
        """Yield a case's slices before they are scanned, from the lowest up, with the names that seed their noise.

        All have the same times, AIF and VOF.

        Raises
        ------
        DataError
            Where a file is faulty.
        """

    def files(self) -> list[Path]:
        """Return the files that the cases are read from, none by default."""
        return []

    def curves(self, case_id: str, frames: Float32, brain: Mask, scan: CaseScan) -> Curves:
        """Return the input functions that a case hands over: those of its source, by default.

        Parameters
        ----------
        case_id : str
        frames : ndarray, (time, z, y, x), float32, HU
            As observed.
        brain : ndarray, (z, y, x), bool
            As handed over with them.
        scan : CaseScan
        """
        return Curves(scan.aif, scan.vof)

    def patient(self, case_id: str) -> str:
        """Return whose case it is: the cases of a split are slices of one head, unless a subclass knows better."""
        return next((f"head of the {split} slices" for split in _SPLITS if case_id in self.cases(split)), case_id)

    def load(self, case_id: str, noise: float | None) -> Case:
        """Return one case scanned with `noise` photons per ray; without noise where it is None.

        Raises
        ------
        DataError
            Where there is no such case, N0 is not positive, a file is faulty, or no artery is found in the frames.
        """
        return self._case(case_id, noise, 0)

    def load_replicate(self, case_id: str, noise: float, replicate: int) -> Case:
        """Return one case with another draw of the photons; see `load`."""
        return self._case(case_id, noise, replicate)

    def _case(self, case_id: str, noise: float | None, replicate: int) -> Case:
        from ctpbench.perfusion import brain_mask, vessel_mask

        check_photons(self.name, noise)
        self._check_known(case_id)
        scan = _scan(self, case_id, file_stamps(self.files()))
        frames = self._frames(scan, noise, replicate)
        brain = brain_mask(frames, self.spacing_mm) if scan.brain is None else scan.brain
        curves = self.curves(case_id, frames, brain, scan)
        observation = Observation.of(
            frames,
            times_s=scan.times_s,
            spacing_mm=self.spacing_mm,
            brain=brain,
            vessels=vessel_mask(frames),
            aif=curves.aif,
            vof=curves.vof,
            radiological=self.radiological,
        )
        noiseless = np.stack([each.noiseless for each in scan.slices.values()], axis=1)
        labels = None if scan.labels is None else scan.labels.copy()
        maps, resolved = scan.maps.copy(), scan.resolved.copy()
        truth = truth_of(noiseless, maps, labels, scan.times_s, self.spacing_mm, resolved, scan.rois)
        return Case(case_id, observation, truth, curves.findings)

    def fingerprint(self) -> str:
        """Return a hash of the bytes of the files that are read, nothing where none is."""
        return files_fingerprint(self.files(), content=True)

    def scanner(self) -> Scanner:
        """Return the scanner that the parameters say."""
        return table_scanner(self.pixel_mm, self.views, self.detectors, self.window, self.electronic_sigma)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along (z, y, x)."""
        return self.slice_mm, self.pixel_mm, self.pixel_mm

    def _check_known(self, case_id: str) -> None:
        known = [known_id for split in _SPLITS for known_id in self.cases(split)]
        if case_id not in known:
            raise DataError(f"{self.name}: case: got {case_id!r}; allowed: {', '.join(known)}")

    def _frames(self, scan: CaseScan, noise: float | None, replicate: int) -> Float32:
        """Return the frames at a dose, (time, z, y, x), HU: an array of its own."""
        scanner = self.scanner()
        seeds = (0 if noise is None else noise_seed(self.seed, name, noise, replicate) for name in scan.slices)
        slices = zip(scan.slices.values(), seeds, strict=True)
        return np.stack([frames_at(each, scanner, noise, seed) for each, seed in slices], axis=1)


def numbered(name: str, split: Split, counts: Mapping[Split, int]) -> list[str]:
    """Return the ids of a split's cases, such as ``patient-07``, counted on from split to split in the order given."""
    before = sum(list(counts.values())[: list(counts).index(split)])
    return [f"{name}-{before + index + 1:02d}" for index in range(counts[split])]


@lru_cache(maxsize=1)
def _scan(dataset: SimulatedScan, case_id: str, stamps: FileStamps) -> CaseScan:
    """Scan a case once for all noise levels. `stamps` is in the key so that a changed file is read again."""
    from ctpbench_phantom.resolution import point_spread, resolved_maps

    scanner = dataset.scanner()
    slices, maps, labels, brains, rois = {}, [], [], [], []
    for name, source in dataset.source(case_id):
        slices[name] = scan_slice(source.series, scanner)
        times_s, aif, vof = source.times_s, source.aif, source.vof  # those of all slices
        maps.append(source.maps)
        labels += [] if source.labels is None else [source.labels]
        brains += [] if source.brain is None else [source.brain]
        rois += [] if source.rois is None else [source.rois]
    true_maps = np.stack(maps, axis=1)
    return CaseScan(
        slices=slices,
        times_s=times_s,
        aif=aif,
        vof=vof,
        maps=true_maps,
        resolved=resolved_maps(true_maps, point_spread(scanner)),
        labels=np.stack(labels) if labels else None,
        brain=np.stack(brains) if brains else None,
        rois={name: np.stack([each[name] for each in rois]) for name in rois[0]} if rois else {},
    )
