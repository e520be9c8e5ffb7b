"""The dataset `phantom`: slices of a simulated head, or of a user's own, as a simulated scanner sees them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from ctpbench import Case, DataError, Dataset, Observation, Split, Truth
from ctpbench_phantom.scan import (
    Detectors,
    SliceScan,
    Views,
    Window,
    check_field_of_view,
    check_photons,
    frames_at,
    noise_seed,
    scan_slice,
    table_scanner,
    truth_of,
)

if TYPE_CHECKING:
    from ctpbench_phantom.scanner import Scanner
    from ctpbench_phantom.series import SliceSeries

_BOLUS_S = 20.0  # a scan must last until after the AIF's peak
# Fields that say how the procedural head is made; with `anatomy: file` the file says it. Of the original phantom's
# volumes slices are taken as of the procedural head, and the files do not tell how far apart their frames are.
_OF_THE_HEAD = (
    "size_px", "train_slices", "validation_slices", "test_slices", "gap_slices", "slice_step", "frames",
    "frame_interval_s", "residue", "delay", "aif_file",
)  # fmt: skip
_OF_A_VOLUME = ("train_slices", "validation_slices", "test_slices", "gap_slices", "slice_step", "frame_interval_s")


class Phantom(Dataset):
    """A simulated CT-perfusion scan of a head with stroke: procedural anatomy, fan-beam scanner, FBP.

    Noise is N0, the number of photons per ray; without it the frames are free of noise. One case is one slice.
    The slices are stacked from the level of the basal ganglia upwards: test, gap, validation, gap, train.

    Sources: Wu, Ren, Li, section V-A1 and Table I (scan and scanner); Aichert, Manhart et al., "A realistic
    digital phantom for perfusion C-arm CT based on MRI data", 2013 (perfusion of the tissue classes, AIF).
    """

    name, version = "phantom", "1"

    size_px: Annotated[int, Field(ge=32, le=1024, examples=[64], description="rows and columns of a frame")] = 256
    pixel_mm: Annotated[float, Field(gt=0, le=10, examples=[3.2], description="pixel size, mm")] = 1.0
    slice_mm: Annotated[float, Field(gt=0, le=40, description="distance of neighbouring slices, mm")] = 1.0
    train_slices: Annotated[int, Field(ge=0, examples=[1], description="slices of the training split")] = 50
    validation_slices: Annotated[int, Field(ge=0, examples=[1], description="slices of the validation split")] = 5
    test_slices: Annotated[int, Field(ge=1, examples=[1], description="slices of the test split")] = 15
    gap_slices: Annotated[int, Field(ge=0, description="slices left out between two splits")] = 5
    slice_step: Annotated[int, Field(ge=1, description="take every n-th slice within a split")] = 1
    frames: Annotated[int, Field(ge=4, le=1000, examples=[24], description="frames of a scan, the first at 0 s")] = 50
    frame_interval_s: Annotated[float, Field(ge=0.1, le=5, description="time between frames, s")] = 1.0
    views: Views = 1152
    detectors: Detectors = 384
    window: Annotated[Window, Field(description="window of the ramp filter")] = "hann"
    electronic_sigma: Annotated[float, Field(ge=0, description="electronic noise of a ray, photons (sd)")] = 0.0
    residue: Annotated[
        Literal["plateau", "gamma"],
        Field(description="residue function of area MTT: plateau and exponential, or gamma-distributed transit times"),
    ] = "plateau"
    delay: Annotated[bool, Field(description="whether contrast reaches the tissue classes 1 to 12 s late")] = False
    aif_file: Annotated[Path | None, Field(description="CSV of time_s,hu to use in place of the phantom's own AIF")] = (
        None
    )
    anatomy: Annotated[
        Literal["procedural", "file"], Field(description="the simulated head, or prepared slices from `file`")
    ] = "procedural"
    file: Annotated[
        Path | None,
        Field(description="a .npz slice, a folder of them, or the original phantom's volumes; see README"),
    ] = None
    seed: Annotated[int, Field(ge=0, description="which head, and which noise")] = 0

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.anatomy == "file":
            self._check_file()
        else:
            self._check_head()
        return self

    def _check_file(self) -> None:
        if self.file is None:
            raise ValueError("anatomy is file but file is missing; allowed: a .npz file or a folder of them")
        fields = type(self).model_fields
        from ctpbench_phantom.volume import is_volume

        free = _OF_A_VOLUME if is_volume(self.file) else ()
        set_here = [n for n in _OF_THE_HEAD if n not in free and getattr(self, n) != fields[n].default]
        if set_here:
            raise ValueError(
                f"anatomy is file, which decides {', '.join(set_here)} itself; "
                "leave them out, or use anatomy: procedural"
            )

    def _check_head(self) -> None:
        if self.file is not None:
            raise ValueError(f"file is {self.file} but anatomy is procedural; allowed: anatomy: file, or no file")
        check_field_of_view(self.size_px, self.pixel_mm)
        from ctpbench_phantom.head import HEIGHT_MM

        top_mm = max(index for indices in self._indices().values() for index in indices) * self.slice_mm
        if top_mm > HEIGHT_MM:
            raise ValueError(
                f"the slices reach {top_mm:g} mm above the lowest; allowed: {HEIGHT_MM:g} mm, the head's height: "
                "lower slice_mm, slice_step or the number of slices"
            )
        last_s = (self.frames - 1) * self.frame_interval_s
        if last_s < _BOLUS_S and self.aif_file is None:
            raise ValueError(
                f"the last of {self.frames} frames is taken at {last_s:g} s; allowed: {_BOLUS_S:g} s or later, after "
                "the contrast's peak: raise frames or frame_interval_s"
            )

    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's slices, such as ``slice-057``; of prepared files, their names."""
        if self.anatomy == "file" and self._volume is None:
            return [path.stem for path in self._files()[split]]
        return [f"slice-{index:03d}" for index in self._slices()[split]]

    def load(self, case_id: str, noise: float | None) -> Case:
        """Return one slice scanned with `noise` photons per ray; without noise where it is None.

        Raises
        ------
        DataError
            Where there is no such case, N0 is not positive, or a file is faulty.
        """
        check_photons(self.name, noise)
        source, scan = _scan(self, case_id, self._stamp())
        seed = 0 if noise is None else noise_seed(self.seed, case_id, noise)
        frames = frames_at(scan, self._scanner(), noise, seed)
        return Case(case_id, self._observation(frames, source), self._truth(source, scan))

    def fingerprint(self) -> str:
        """Return a hash of the bytes of the files that are read, or nothing where none is."""
        from ctpbench_phantom.prepared import content_hash

        if self._volume is not None:  # gigabytes: size and time must do
            return repr(self._stamp())
        paths = self._paths()
        return content_hash(paths) if paths else ""

    @property
    def _volume(self) -> Path | None:
        """The folder of the original phantom's volumes, where that is what is read."""
        from ctpbench_phantom.volume import is_volume

        return self.file if self.anatomy == "file" and self.file is not None and is_volume(self.file) else None

    def _slices(self) -> dict[Split, range]:
        """Slice numbers of each split; in the original phantom's volumes they begin with its lowest slice of brain."""
        indices = self._indices()
        if self._volume is None:
            return indices
        from ctpbench_phantom.volume import brain_slices

        found = brain_slices(self._volume)
        asked = 1 + max(index for split in indices.values() for index in split)
        if asked > len(found):
            raise DataError(
                f"{self._volume}: {len(found)} slices hold brain, {asked} are asked for; "
                "lower train_slices, validation_slices, test_slices, gap_slices or slice_step"
            )
        first = found[0]
        return {split: range(r.start + first, r.stop + first, r.step) for split, r in indices.items()}

    def _indices(self) -> dict[Split, range]:
        """Slice numbers of each split, counted upwards from the lowest slice."""
        indices: dict[Split, range] = {}
        start = 0
        counts: tuple[tuple[Split, int], ...] = (
            ("test", self.test_slices), ("validation", self.validation_slices), ("train", self.train_slices),
        )  # fmt: skip
        for split, count in counts:
            indices[split] = range(start, start + count * self.slice_step, self.slice_step)
            if count:
                start = indices[split][-1] + 1 + self.gap_slices
        return indices

    def _index(self, case_id: str) -> int:
        index = {f"slice-{i:03d}": i for indices in self._slices().values() for i in indices}
        return index[_known(case_id, index)]

    def _files(self) -> dict[str, list[Path]]:
        from ctpbench_phantom.prepared import prepared_files

        assert self.file is not None
        return prepared_files(self.file)

    def _paths(self) -> list[Path]:
        if self._volume is not None:
            from ctpbench_phantom.volume import volume_files

            return volume_files(self._volume)
        if self.anatomy == "file":
            return [path for paths in self._files().values() for path in paths]
        return [self.aif_file] if self.aif_file is not None else []

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        """What tells cheaply that a file has changed since it was read."""
        try:
            found = [(str(path), path.stat()) for path in self._paths()]
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
        return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)

    def _scanner(self) -> Scanner:
        return table_scanner(self.pixel_mm, self.views, self.detectors, self.window, self.electronic_sigma)

    def _source(self, case_id: str) -> SliceSeries:
        if self._volume is not None:
            from ctpbench_phantom.volume import read_volume_slice

            return read_volume_slice(self._volume, self._index(case_id), self.frame_interval_s)
        if self.anatomy == "file":
            from ctpbench_phantom.prepared import read_prepared

            files = {path.stem: path for path in self._paths()}
            return read_prepared(files[_known(case_id, files)])
        from ctpbench_phantom.aif import grid, phantom_aif, read_aif
        from ctpbench_phantom.head import LOWEST_MM
        from ctpbench_phantom.series import Head, simulate

        z_mm = LOWEST_MM + self._index(case_id) * self.slice_mm
        times_s = np.arange(self.frames) * self.frame_interval_s
        aif_hu = phantom_aif(grid(times_s[-1])) if self.aif_file is None else read_aif(self.aif_file, times_s[-1])
        return simulate(Head(self.size_px, self.pixel_mm, self.seed, self.residue, self.delay), z_mm, times_s, aif_hu)

    def _observation(self, frames: npt.NDArray[np.float32], source: SliceSeries) -> Observation:
        from ctpbench.perfusion import brain_mask, vessel_mask

        spacing_mm = self._spacing_mm
        volume = np.array(frames, dtype=np.float32)[:, np.newaxis]
        brain = brain_mask(volume, spacing_mm) if source.brain is None else source.brain[np.newaxis].copy()
        return Observation.of(
            volume, times_s=source.times_s, spacing_mm=spacing_mm, brain=brain, vessels=vessel_mask(volume),
            aif=source.aif, vof=source.vof,
        )  # fmt: skip

    def _truth(self, source: SliceSeries, scan: SliceScan) -> Truth:
        labels = None if source.labels is None else source.labels[np.newaxis].copy()
        noiseless, maps = scan.noiseless[:, np.newaxis].copy(), source.maps[:, np.newaxis].copy()
        return truth_of(noiseless, maps, labels, source.times_s, self._spacing_mm)

    @property
    def _spacing_mm(self) -> tuple[float, float, float]:
        return self.slice_mm, self.pixel_mm, self.pixel_mm


@lru_cache(maxsize=1)
def _scan(phantom: Phantom, case_id: str, stamp: tuple[tuple[str, int, int], ...]) -> tuple[SliceSeries, SliceScan]:
    """Scan a slice once for all noise levels. `stamp` is in the key so that a changed file is read again."""
    source = phantom._source(case_id)
    return source, scan_slice(source.series, phantom._scanner())


def _known(case_id: str, known: dict[str, Any]) -> str:
    if case_id not in known:
        raise DataError(f"phantom: no case {case_id!r}; allowed: {', '.join(known)}")
    return case_id
