"""What is set once for all methods of a run: how maps are computed, and what a cell may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from ctpbench.perfusion import Deconvolution


class Settings(BaseModel):
    """Base of the mappings below: frozen, no other keys, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MapsSettings(Settings):
    """From concentration to maps, the same for every method (eqs 16-23 of the paper)."""

    deconvolution: Literal["tikhonov", "tsvd", "osvd"] = Field(
        "tikhonov", description="Tikhonov, truncated SVD, or SVD limited by the oscillation index."
    )
    lambda_rel: float = Field(0.3, ge=0, description="Tikhonov: the weight, relative to the largest singular value.")
    threshold_rel: float = Field(
        0.15, ge=0, le=1, description="tsvd: singular values below this share of the largest are left out."
    )
    oscillation_index: float = Field(0.095, gt=0, description="osvd: the largest oscillation index allowed.")
    baseline_frames: int = Field(2, ge=1, description="T0: how many early frames are averaged and subtracted.")
    kappa: float = Field(1.0, gt=0, description="Correction for the haematocrit of small vessels; 0.73 for real data.")
    rho: float = Field(1.0, gt=0, description="Density of brain in g/mL; 1.05 for real data.")
    scaling: Literal["truth", "white_matter", "none"] = Field(
        "truth",
        description="truth: two factors, for CBF and CBV, that fit the noiseless maps to the true ones, "
        "one pair for a set of cases. white_matter: those that bring flat normal white matter to a CBF of 22 and a "
        "CBV of 2, for real data. none: maps as computed.",
    )

    @property
    def regularisation(self) -> Deconvolution:
        """The deconvolution with the parameter that it takes; those of the others are without effect."""
        from ctpbench.perfusion import Osvd, Tikhonov, Tsvd  # loads scipy, which reading a suite need not

        if self.deconvolution == "tikhonov":
            return Tikhonov(self.lambda_rel)
        return Tsvd(self.threshold_rel) if self.deconvolution == "tsvd" else Osvd(self.oscillation_index)

    @property
    def label(self) -> str:
        """What rows call it: the deconvolution and its parameter."""
        parameter = {"tikhonov": self.lambda_rel, "tsvd": self.threshold_rel, "osvd": self.oscillation_index}
        return f"{self.deconvolution} {parameter[self.deconvolution]:g}"


class Resources(Settings):
    """What a cell may use."""

    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto: CUDA, else MPS, else the CPU.")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Threads of a cell; null: the cores, shared by the cells that run at once."
    )
    memory_gib: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Memory of a cell in GiB, beyond which it is ended; null: no limit."
    )
    timeout_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds that a stage of a cell may last; null: no limit."
    )
    cpu_s: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Seconds of processor time, of all threads together, that a stage of a cell may take; "
        "unlike timeout_s it does not run out while the machine is busy with something else. null: no limit.",
    )
    repeats: int = Field(1, ge=1, description="How often each test case is denoised; the median time counts.")
