"""The dataset `real_like`: simulated patients whose scans look like those of a stroke unit, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from ctpbench import Case, DataError, Dataset, Observation, Split, Truth
from ctpbench_phantom.scan import (
    Detectors,
    SliceScan,
    Views,
    check_field_of_view,
    check_photons,
    frames_at,
    noise_seed,
    scan_slice,
    table_scanner,
    truth_of,
)

if TYPE_CHECKING:
    from ctpbench_phantom.patient import Patient
    from ctpbench_phantom.scanner import Scanner

Curve = npt.NDArray[np.float32]
Finding = dict[str, bool | float | str]


class RealLike(Dataset):
    """Simulated patients with stroke whose scans look like those of ISLES 2018, which may not be passed on.

    One case is one patient: a head, a slab of 2, 4 or 8 slices and a bolus of its own. Arteries show a fraction of the
    contrast in them (partial volume), the sagittal sinus all of it. As of a real scan, the AIF and VOF handed over are
    found in the noisy frames, and the AIF is scaled to the VOF. Noise is N0, the number of photons per ray; without it
    the frames are free of noise. The patients are numbered: test, validation, train.

    Sources: Wu, Ren, Li, sections V-A2 and V-B and Table I (scans, preprocessing, scanner); Aichert, Manhart et al.,
    "A realistic digital phantom for perfusion C-arm CT based on MRI data", 2013 (perfusion of the tissue classes).
    """

    name, version = "real_like", "1"

    size_px: Annotated[int, Field(ge=32, le=1024, examples=[64], description="rows and columns of a frame")] = 256
    pixel_mm: Annotated[float, Field(gt=0, le=10, examples=[3.2], description="pixel size, mm")] = 0.9
    slices: Annotated[
        int | None, Field(ge=1, le=16, examples=[2], description="slices of each patient; without it 2, 4 or 8, drawn")
    ] = None
    slice_mm: Annotated[float, Field(gt=0, le=40, description="distance of neighbouring slices, mm")] = 5.0
    train_patients: Annotated[int, Field(ge=0, examples=[1], description="patients of the training split")] = 16
    validation_patients: Annotated[int, Field(ge=0, examples=[1], description="patients of the validation split")] = 2
    test_patients: Annotated[int, Field(ge=1, examples=[1], description="patients of the test split")] = 4
    frames: Annotated[int, Field(ge=4, le=1000, examples=[24], description="frames of a scan, the first at 0 s")] = 44
    frame_interval_s: Annotated[float, Field(ge=0.1, le=5, examples=[2.0], description="time between frames, s")] = 1.0
    views: Views = 1152
    detectors: Detectors = 384
    delay: Annotated[bool, Field(description="whether contrast reaches the tissue classes 1 to 12 s late")] = True
    input_functions: Annotated[
        Literal["found", "true"],
        Field(examples=["true"], description="AIF and VOF as found in the frames, or those of the blood"),
    ] = "found"
    aif_method: Annotated[
        Literal["components", "kmeans"], Field(description="how AIF and VOF are found; see ctpbench.perfusion.aif")
    ] = "components"
    seed: Annotated[int, Field(ge=0, description="which patients, and which noise")] = 0

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        check_field_of_view(self.size_px, self.pixel_mm)
        from ctpbench_phantom.head import HEIGHT_MM
        from ctpbench_phantom.patient import LATEST_PEAK_S, SLICES

        high_mm = ((self.slices or max(SLICES)) - 1) * self.slice_mm
        if high_mm > HEIGHT_MM:
            raise ValueError(
                f"a patient's slices reach {high_mm:g} mm above the lowest; allowed: {HEIGHT_MM:g} mm, the head's "
                "height: lower slices or slice_mm"
            )
        last_s = float(self._times_s[-1])
        if last_s < LATEST_PEAK_S:
            raise ValueError(
                f"the last of {self.frames} frames is taken at {last_s:g} s; allowed: {LATEST_PEAK_S:g} s or later, "
                "after the veins' peak: raise frames or frame_interval_s"
            )
        return self

    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's patients, such as ``patient-07``."""
        counts = {"test": self.test_patients, "validation": self.validation_patients, "train": self.train_patients}
        ids = [f"patient-{number + 1:02d}" for number in range(sum(counts.values()))]
        first = {"test": 0, "validation": self.test_patients, "train": self.test_patients + self.validation_patients}
        return ids[first[split] : first[split] + counts[split]]

    def load(self, case_id: str, noise: float | None) -> Case:
        """Return one patient scanned with `noise` photons per ray; without noise where it is None.

        Raises
        ------
        DataError
            Where there is no such case, N0 is not positive, or no artery is found in the frames.
        """
        check_photons(self.name, noise)
        scan = _scan(self, self._number(case_id))
        scanner = self._scanner()
        noisy = [
            frames_at(each, scanner, noise, 0 if noise is None else noise_seed(self.seed, f"{case_id}/{index}", noise))
            for index, each in enumerate(scan.slices)
        ]
        observation, inspection = self._observation(np.stack(noisy, axis=1), scan)
        return Case(case_id, observation, self._truth(scan), inspection)

    @property
    def _times_s(self) -> npt.NDArray[np.float64]:
        return np.arange(self.frames) * self.frame_interval_s

    @property
    def _spacing_mm(self) -> tuple[float, float, float]:
        return self.slice_mm, self.pixel_mm, self.pixel_mm

    def _number(self, case_id: str) -> int:
        known = [*self.cases("test"), *self.cases("validation"), *self.cases("train")]
        if case_id not in known:
            raise DataError(f"{self.name}: no case {case_id!r}; allowed: {', '.join(known)}")
        return 1 + known.index(case_id)

    def _scanner(self) -> Scanner:
        return table_scanner(self.pixel_mm, self.views, self.detectors)

    def _observation(self, frames: npt.NDArray[np.float32], scan: _Scan) -> tuple[Observation, Finding]:
        from ctpbench.perfusion import brain_mask, vessel_mask

        brain = brain_mask(frames, self._spacing_mm)
        aif: Curve = scan.aif.copy()
        vof: Curve | None = scan.vof.copy()
        facts: Finding = {
            "artery_fraction": scan.patient.artery_share,
            "true_aif_peak_hu": float(aif.max()),
            "true_vof_peak_hu": float(scan.vof.max()),
        }
        if self.input_functions == "found":
            aif, vof, found = self._found(frames, brain, aif)
            facts |= found
        observation = Observation.of(
            frames, times_s=self._times_s, spacing_mm=self._spacing_mm, brain=brain, vessels=vessel_mask(frames),
            aif=aif, vof=vof,
        )  # fmt: skip
        return observation, facts

    def _found(
        self, frames: npt.NDArray[np.float32], brain: npt.NDArray[np.bool_], true_aif: Curve
    ) -> tuple[Curve, Curve | None, Finding]:
        """The scaled AIF and the VOF as found in the frames, and how well they were."""
        from ctpbench.perfusion import subtract_baseline
        from ctpbench.perfusion.aif import find_input_functions

        concentration = subtract_baseline(frames)
        found = find_input_functions(
            concentration, brain, self._spacing_mm, self.frame_interval_s, method=self.aif_method
        )
        offset = int(found.aif.curve.argmax()) - int(true_aif.argmax())
        facts: Finding = {
            "aif_peak_hu": float(found.aif.curve.max()),
            "aif_correlation": float(np.corrcoef(found.aif.curve, true_aif)[0, 1]),
            "aif_peak_offset_s": offset * self.frame_interval_s,
            "scaling_factor": float(found.factor),
            "aif_notes": "; ".join(found.notes),
        }
        return found.scaled_aif, None if found.vof is None else found.vof.curve, facts

    def _truth(self, scan: _Scan) -> Truth:
        noiseless = np.stack([each.noiseless for each in scan.slices], axis=1)
        return truth_of(noiseless, scan.maps.copy(), scan.labels.copy(), self._times_s, self._spacing_mm)


@dataclass(frozen=True)
class _Scan:
    """What all noise levels of a patient share: maps (map, z, y, x), labels (z, y, x), true AIF and VOF (time)."""

    patient: Patient
    slices: list[SliceScan]
    maps: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int8]
    aif: Curve
    vof: Curve


@lru_cache(maxsize=1)
def _scan(dataset: RealLike, number: int) -> _Scan:
    """Scan a patient once for all noise levels."""
    from ctpbench_phantom.patient import draw_patient, patient_slice
    from ctpbench_phantom.series import at_frames

    patient = draw_patient(dataset.seed, number, dataset.slices, dataset.slice_mm)
    times_s, scanner = dataset._times_s, dataset._scanner()
    slices, maps, labels = [], [], []
    for index in range(patient.heights_mm.size):
        source = patient_slice(patient, index, dataset.size_px, dataset.pixel_mm, times_s, dataset.delay)
        slices.append(scan_slice(source.series, scanner))
        maps.append(source.maps)
        labels.append(source.labels)
    aif, vof = (at_frames(curve, times_s) for curve in (patient.aif_hu, patient.vof_hu))
    return _Scan(patient, slices, np.stack(maps, axis=1), np.stack(labels), aif, vof)
