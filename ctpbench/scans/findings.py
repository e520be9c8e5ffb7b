"""What was measured in a scan, as facts and as warnings of what may spoil results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float64
from ctpbench.contract.series import Series
from ctpbench.perfusion.aif import InputFunctions, Vessel
from ctpbench.perfusion.bolus import fwhm_s, truncation
from ctpbench.perfusion.concentration import is_on_grid
from ctpbench.perfusion.noise import NoiseStatistics

INDEPENDENT = 0.1
"""Noise of neighbouring frames that correlates by more was filtered in time: Noise2Noise must not learn from it."""

_MOVED_MM, _TURNED_DEG = 2.0, 2.0
_TRUNCATED = 0.3  # a tail of so much of the peak


@dataclass(frozen=True)
class Findings:
    """What was measured, as facts and warnings."""

    series: Series
    times_s: Float64
    inputs: InputFunctions | None
    noise: NoiseStatistics | None
    displacement_mm: Float64
    turned_deg: Float64

    @property
    def dt_s(self) -> float:
        return float(self.times_s[1] - self.times_s[0])

    @property
    def resampled(self) -> bool:
        return not is_on_grid(self.series.frame_times_s, self.times_s)

    def facts(self) -> dict[str, bool | float | str]:
        time, depth, rows, columns = self.series.shape
        facts: dict[str, bool | float | str] = {
            "frames": time,
            "slices": depth,
            "rows": rows,
            "columns": columns,
            "slice_mm": float(self.series.spacing_mm[0]),
            "pixel_mm": float(self.series.spacing_mm[1]),
            "frame_interval_s": self.dt_s,
            "longest_interval_s": float(np.diff(self.series.frame_times_s, axis=0).max()),
            "duration_s": float(np.ptp(self.series.frame_times_s)),
            "resampled": self.resampled,
            "motion_mm": float(self.displacement_mm.max()),
            "rotation_deg": float(np.abs(self.turned_deg).max()),
            **self.series.facts,
        }
        if self.noise is not None:
            facts |= {
                "noise_hu": self.noise.sd_hu,
                "noise_correlation_frames": self.noise.corr_time,
                "noise_correlation_rows": self.noise.corr_rows,
                "noise_correlation_columns": self.noise.corr_columns,
                "filtered_in_time": self.noise.corr_time > INDEPENDENT,
            }
        if self.inputs is not None:
            facts |= self._curve("aif", self.inputs.aif) | {"aif_scaling_factor": float(self.inputs.factor)}
            if self.inputs.confidence is not None:
                facts |= {"aif_confidence": self.inputs.confidence.score}
                facts |= {f"aif_confidence_{name}": part for name, part in self.inputs.confidence.parts.items()}
            if self.inputs.vof is not None:
                facts |= self._curve("vof", self.inputs.vof)
        return facts

    def _curve(self, name: str, vessel: Vessel) -> dict[str, bool | float | str]:
        return {
            f"{name}_voxels": len(vessel.voxels),
            f"{name}_peak_hu": float(vessel.curve.max()),
            f"{name}_time_to_peak_s": float(self.times_s[vessel.curve.argmax()] - self.times_s[0]),
            f"{name}_width_s": float(fwhm_s(vessel.curve, self.dt_s)),
            f"{name}_tail": float(truncation(vessel.curve)),
        }

    def warnings(self) -> list[str]:
        texts = [*self.series.notes, *(() if self.inputs is None else self.inputs.notes)]
        if self.noise is None:
            texts.append("noise: not measured, which takes 8 frames and 300 voxels of tissue in a slab or more")
        elif self.noise.corr_time > INDEPENDENT:
            texts.append(
                f"filtered in time: the noise of neighbouring frames correlates by {self.noise.corr_time:.2f}; "
                "Noise2Noise, which needs independent noise, must not learn from it"
            )
        if self.resampled:
            longest = float(np.diff(self.series.frame_times_s, axis=0).max())
            texts.append(
                f"resampled: frames are up to {longest:.3g} s apart or slices are taken one after the other; "
                f"brought to every {self.dt_s:.3g} s by linear interpolation"
            )
        moved = float(self.displacement_mm.max())
        if moved > _MOVED_MM:
            frame = int(self.displacement_mm.argmax()) + 1
            texts.append(f"motion: frame {frame} lies {moved:.1f} mm from the first; maps will blur")
        turned = np.abs(self.turned_deg)
        if turned.max() > _TURNED_DEG:
            texts.append(
                f"motion: frame {int(turned.argmax()) + 1} is turned by {turned.max():.1f} degrees to the first"
            )
        vof = None if self.inputs is None else self.inputs.vof
        if vof is not None and truncation(vof.curve) > _TRUNCATED:
            texts.append(
                f"truncated: the VOF ends at {100 * truncation(vof.curve):.0f}% of its peak; the scan is short"
            )
        return texts
