"""The dataset `real_like`: simulated patients whose scans look like those of a stroke unit, with the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ctpbench import DataError, Split
from ctpbench_phantom.parameters import (
    FrameIntervalS,
    Frames,
    PixelMm,
    SizePx,
    SliceMm,
    check_duration,
    check_field_of_view,
    check_height,
)
from ctpbench_phantom.simulated_scan import CaseScan, Curves, Findings, SimulatedScan, numbered

if TYPE_CHECKING:
    from ctpbench.arrays import Float32, Float64, Mask
    from ctpbench_phantom.motion import Motion
    from ctpbench_phantom.patient import Patient
    from ctpbench_phantom.series import SliceSeries


class RealLike(SimulatedScan):
    """Simulated patients with stroke, each of its own, whose scans look like those of ISLES 2018; all truth is known.

    One case is one patient: a head, a slab of one to four slices, a bolus and a stroke, drawn from the patient's
    number. The patients are numbered: test, validation, train; more of them to learn from leave those to test on as
    they are. Noise is N0, the number of photons per ray; without it the frames are free of noise.

    What a patient draws: arrival, width, peak and recirculation of the bolus; how much of it arteries show (partial
    volume); delay, 0 to 2 s in healthy tissue and 4 to 14 s in the lesion, and dispersion by an exponential of 0.2 to
    4 s, both varying smoothly; a residue function that is a smoothly varying mixture of a plateau, a gamma and an
    exponential one, each of the area MTT. A lesion in an artery's territory on either side, with penumbra and core,
    none in one patient of six; an infarct of long ago, as dense as CSF and without flow, in one of six. With
    `motion_mm` the head moves in its slices from frame to frame; truth lies where the first frame lies.

    Truth: CBF is the flow, CBV = CBF MTT / 60; neither knows dispersion. Tmax is when the tissue's true response to an
    impulse in the artery is highest, delay and dispersion included. TTP is the highest frame of the noiseless curve. As
    of a real scan, the AIF and VOF handed over are found in the noisy frames, and the AIF is scaled to the VOF; where
    a slab shows no artery, they are those of the blood, as if taken from another slab.

    Sources: Wu, Ren, Li, sections V-A2 and V-B and Table I (scans, preprocessing, scanner); Aichert, Manhart et al.,
    "A realistic digital phantom for perfusion C-arm CT based on MRI data", 2013 (perfusion of the tissue classes);
    Calamante, Gadian, Connelly, Magn Reson Med 44:466, 2000 (delay and dispersion); Oestergaard et al., Magn Reson Med
    36:715, 1996, and Wirestam et al., Magn Reson Med 43:691, 2000 (residue functions of different shapes); Tatu et al.,
    Neurology 50:1699, 1998, and Kim et al., JAMA Neurol 76:72, 2019 (territories).
    """

    name, version = "real_like", "2"

    size_px: SizePx = 256
    pixel_mm: PixelMm = 0.9
    slices: Annotated[
        int | None, Field(ge=1, le=16, examples=[2], description="slices of each patient; without it 1 to 4, drawn")
    ] = None
    slice_mm: SliceMm = 5.0
    train_patients: Annotated[int, Field(ge=0, examples=[1], description="patients of the training split")] = 16
    validation_patients: Annotated[int, Field(ge=0, examples=[1], description="patients of the validation split")] = 2
    test_patients: Annotated[int, Field(ge=1, examples=[1], description="patients of the test split")] = 4
    frames: Frames = 44
    frame_interval_s: Annotated[FrameIntervalS, Field(examples=[2.0])] = 1.0
    delay: Annotated[bool, Field(description="whether contrast reaches tissue late and dispersed")] = True
    motion_mm: Annotated[
        float,
        Field(ge=0, le=10, description="motion of the head in its slices, root mean square over the frames, mm"),
    ] = 0.0
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
        from ctpbench_phantom.patient import LATEST_PEAK_S, SLICES

        check_field_of_view(self.size_px, self.pixel_mm)
        check_height(((self.slices or max(SLICES)) - 1) * self.slice_mm, "slices or slice_mm")
        check_duration(self.frames, self.frame_interval_s, LATEST_PEAK_S, "the veins' peak")
        return self

    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's patients, such as ``patient-07``."""
        counts = {"test": self.test_patients, "validation": self.validation_patients, "train": self.train_patients}
        return numbered("patient", split, counts)

    def patient(self, case_id: str) -> str:
        """Return the case's own id: each case is a patient."""
        return case_id

    def source(self, case_id: str) -> Iterator[tuple[str, SliceSeries]]:
        """Yield the patient's slices; see `SimulatedScan.source`."""
        from ctpbench_phantom.motion import moved
        from ctpbench_phantom.patient import patient_slice

        patient, motion = self._patient(case_id), self._motion(case_id)
        for index in range(patient.heights_mm.size):
            source = patient_slice(patient, index, self.size_px, self.pixel_mm, self._times_s, self.delay)
            if motion is not None:
                source = replace(source, series=moved(source.series, motion, self.pixel_mm))
            yield f"{case_id}/{index}", source

    def curves(self, case_id: str, frames: Float32, brain: Mask, scan: CaseScan) -> Curves:
        """Return the AIF and VOF of the blood, or as found in the frames; see `SimulatedScan.curves`."""
        from ctpbench_phantom.series import at_frames

        patient = self._patient(case_id)
        aif, vof = (at_frames(curve, self._times_s) for curve in (patient.aif_hu, patient.vof_hu))
        findings: Findings = {
            "artery_fraction": patient.artery_share,
            "true_aif_peak_hu": float(aif.max()),
            "true_vof_peak_hu": float(vof.max()),
        }
        if self.input_functions == "true":
            return Curves(aif, vof, findings)
        try:
            found = self._found(frames, brain, aif)
        except DataError as error:  # a slab may hold no artery that stands above its noise
            return Curves(aif, vof, {**findings, "aif_notes": f"those of the blood, for none was found: {error}"})
        return Curves(found.aif, found.vof, {**findings, **(found.findings or {})})

    @property
    def _times_s(self) -> Float64:
        return np.arange(self.frames) * self.frame_interval_s

    def _patient(self, case_id: str) -> Patient:
        from ctpbench_phantom.patient import draw_patient

        return draw_patient(self.seed, _number(case_id), self.slices, self.slice_mm)

    def _motion(self, case_id: str) -> Motion | None:
        from ctpbench_phantom.motion import draw_motion

        rng = np.random.default_rng([self.seed, *b"motion", _number(case_id)])
        return draw_motion(rng, self._times_s, self.motion_mm) if self.motion_mm else None

    def _found(self, frames: Float32, brain: Mask, true_aif: Float32) -> Curves:
        """Return the scaled AIF and the VOF as found in the frames, and how near the AIF came."""
        from ctpbench.perfusion import subtract_baseline
        from ctpbench.perfusion.aif import find_input_functions

        concentration = subtract_baseline(frames)
        found = find_input_functions(
            concentration, brain, self.spacing_mm, self.frame_interval_s, method=self.aif_method
        )
        offset = int(found.aif.curve.argmax()) - int(true_aif.argmax())
        findings: Findings = {
            "aif_peak_hu": float(found.aif.curve.max()),
            "aif_correlation": float(np.corrcoef(found.aif.curve, true_aif)[0, 1]),
            "aif_peak_offset_s": offset * self.frame_interval_s,
            "scaling_factor": float(found.factor),
            "aif_notes": "; ".join(found.notes),
        }
        return Curves(found.scaled_aif, None if found.vof is None else found.vof.curve, findings)


def _number(case_id: str) -> int:
    return int(case_id.removeprefix("patient-"))
