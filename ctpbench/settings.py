"""What is set once for all methods of a run: how maps are computed, and what a cell may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from ctpbench.perfusion import Bayesian, Deconvolution


class Settings(BaseModel):
    """Base of the mappings below: frozen, no other keys, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MapsSettings(Settings):
    """From concentration to maps, the same for every method (eqs 16-23 of the paper)."""

    deconvolution: Literal["tikhonov", "gcv", "lcurve", "tsvd", "osvd", "bayesian"] = Field(
        "tikhonov",
        description="tikhonov: with the weight lambda_rel. gcv, lcurve: Tikhonov with one weight a case that its noise "
        "decides, by generalised cross-validation or at the corner of the L-curve; noiseless frames get a smaller one, "
        "so that scaling by the truth leaves the bias of noisy ones. tsvd: truncated SVD. osvd: SVD "
        "limited by the oscillation index. bayesian: posterior means over flow, delay and residue function.",
    )
    lambda_rel: float = Field(0.3, ge=0, description="tikhonov: the weight, relative to the largest singular value.")
    lambda_rel_min: float = Field(0.003, gt=0, description="gcv, lcurve: the smallest weight that is tried.")
    lambda_rel_max: float = Field(1.0, gt=0, description="gcv, lcurve: the largest weight that is tried.")
    threshold_rel: float = Field(
        0.15, ge=0, le=1, description="tsvd: singular values below this share of the largest are left out."
    )
    oscillation_index: float = Field(0.095, gt=0, description="osvd: the largest oscillation index allowed.")
    prior_mtt_s: float = Field(5.0, gt=0, description="bayesian: median of the transit time's prior in s.")
    prior_delay_s: float = Field(2.0, gt=0, description="bayesian: mean of the delay's prior in s.")
    model_error: float = Field(
        0.1, ge=0.001, description="bayesian: what no residue function explains, as a share of a typical curve."
    )
    peak_lags: Literal["circle", "scan"] = Field(
        "circle",
        description="Where the maximum of the residue is looked for, which gives CBF and Tmax. circle: at all lags, "
        "negative ones among them. scan: at those from 0 s to the scan's length. No matter to bayesian.",
    )
    baseline_frames: int = Field(2, ge=1, description="T0: how many early frames are averaged and subtracted.")
    kappa: float = Field(1.0, gt=0, description="Correction for the haematocrit of small vessels; 0.73 for real data.")
    rho: float = Field(1.0, gt=0, description="Density of brain in g/mL; 1.05 for real data.")
    scaling: Literal["truth", "white_matter", "none"] = Field(
        "truth",
        description="truth: two factors, for CBF and CBV, that fit the noiseless maps to the true ones, "
        "one pair for a set of cases. white_matter: those that bring flat normal white matter to a CBF of 22 and a "
        "CBV of 2, for real data. none: maps as computed.",
    )

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if not self.lambda_rel_min < self.lambda_rel_max:
            raise ValueError(
                f"lambda_rel_min: got {self.lambda_rel_min:g}; allowed: below lambda_rel_max, {self.lambda_rel_max:g}"
            )
        return self

    @property
    def regularisation(self) -> Deconvolution | Bayesian:
        """The deconvolution with the parameters that it takes; those of the others are without effect."""
        from ctpbench import perfusion  # loads scipy, which reading a suite need not

        if self.deconvolution == "tikhonov":
            return perfusion.Tikhonov(self.lambda_rel)
        if self.deconvolution == "tsvd":
            return perfusion.Tsvd(self.threshold_rel)
        if self.deconvolution == "osvd":
            return perfusion.Osvd(self.oscillation_index)
        if self.deconvolution == "bayesian":
            return perfusion.Bayesian(self.prior_mtt_s, self.prior_delay_s, self.model_error, self.baseline_frames)
        criterion = perfusion.Gcv if self.deconvolution == "gcv" else perfusion.LCurve
        return criterion(self.lambda_rel_min, self.lambda_rel_max)

    @property
    def label(self) -> str:
        """A short name, such as "tikhonov 0.3, scan lags": another one where anything that has an effect is another."""
        main = _MAIN.get(self.deconvolution)
        name = self.deconvolution if main is None else f"{self.deconvolution} {_short(getattr(self, main))}"
        changed = self.model_dump(exclude_defaults=True)
        further = _FURTHER[self.deconvolution] | _COMMON
        return ", ".join(
            [name, *(text.format(_short(changed[key])) for key, text in further.items() if key in changed)]
        )


# What a label says of each deconvolution: the parameter that it always shows, and those that it shows where changed.
_MAIN = {"tikhonov": "lambda_rel", "tsvd": "threshold_rel", "osvd": "oscillation_index"}
_LAGS = {"peak_lags": "{} lags"}
_BOUNDS = {"lambda_rel_min": "from {}", "lambda_rel_max": "to {}"}
_PRIOR = {"prior_mtt_s": "MTT {} s", "prior_delay_s": "delay {} s", "model_error": "model error {}"}
_FURTHER = {
    "tikhonov": _LAGS,
    "gcv": _BOUNDS | _LAGS,
    "lcurve": _BOUNDS | _LAGS,
    "tsvd": _LAGS,
    "osvd": _LAGS,
    "bayesian": _PRIOR,
}
_COMMON = {"baseline_frames": "T0 {}", "kappa": "kappa {}", "rho": "rho {}", "scaling": "scaling {}"}


def _short(value: object) -> str:
    """Return a value in no more digits than tell it from all others."""
    return str(value).removesuffix(".0")


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
