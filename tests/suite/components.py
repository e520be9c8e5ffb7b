"""Small components that the tests of suites name, and catalogues of them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pluggy
from pydantic import BaseModel, Field, field_validator, model_validator

from ctpbench.contract.component_check import KINDS
from ctpbench.contract.components import Dataset, FrameDenoiser, Metric
from ctpbench.errors import DataError
from ctpbench.plugins import Catalogue, Offer


class Phantom(Dataset):
    name, version = "phantom", "1"
    size_px: Annotated[int, Field(ge=16)] = 256
    root: Path | None = None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def cases(self, split):
        return [f"{split}-1"]

    def load(self, case_id, noise):
        raise NotImplementedError


class Scans(Phantom):
    name = "scans"
    root: Path

    @model_validator(mode="after")
    def _check_root(self):
        if self.root.name == "gone":
            raise DataError(f"root: {self.root} does not exist; set ISLES2018_ROOT")
        return self


class Plain(FrameDenoiser):
    name, version = "none", "1"

    def denoise(self, frames, context):
        return frames


class Window(BaseModel, extra="forbid"):
    shape: Literal["hann", "ramp"] = "hann"
    cutoff: Annotated[float, Field(gt=0, le=1)] = 1.0


class Tips(Plain):
    name = "tips"
    window_px: Annotated[int, Field(ge=1)] = 11
    sigma_t_hu: Annotated[float, Field(gt=0)] = 7.5
    sigma_s_px: Annotated[float, Field(gt=0)] = 2.0

    @field_validator("window_px")
    @classmethod
    def _odd(cls, value):
        if value % 2 == 0:
            raise ValueError("allowed: an odd number")
        return value

    @model_validator(mode="after")
    def _fits(self):
        if self.sigma_s_px > self.window_px:
            raise ValueError("sigma_s_px is above window_px; make the window wider")
        return self


class Sharp(Plain):
    """Takes parameters of many types, one of them required."""

    name = "sharp"
    strength: Annotated[float, Field(gt=0)]
    mode: Literal["reflect", "nearest"] | None = None
    flip: bool = False
    rates: tuple[float, ...] | Literal["auto"] = "auto"
    window: Window = Window()
    label_text: str = "a"


class Rmse(Metric):
    name, version, better, units = "rmse", "1", "lower", "map"
    against: Literal["noiseless", "truth"] = "noiseless"

    def score(self, case):
        raise NotImplementedError


class Ssim(Rmse):
    name, better = "ssim", "higher"
    data_range: float = 100.0


class Overlap(Rmse):
    name = "overlap"
    threshold: float


class Colour(Enum):
    GRAY = "gray"
    RAINBOW = "rainbow"


class Bounded(Plain):
    name = "bounded"
    step: Annotated[int, Field(multiple_of=4)] = 4
    share: Annotated[float, Field(lt=1)] = 0.5
    code: Annotated[str, Field(pattern="^[a-z]+$", min_length=2, max_length=4)] = "ab"
    pair: tuple[int, int] = (1, 2)
    colour: Colour = Colour.GRAY
    path: Path = Path("a")
    nothing: None = None
    many: Annotated[tuple[int, ...], Field(max_length=1)] = ()
    loose: Annotated[int, Field(strict=False)] = 1
    choice: Annotated[int, Field(ge=3)] | Literal["auto"] = "auto"


def catalogue_of(*classes, failures=(), distribution="acme"):
    offers = [
        Offer(kind, cls, distribution) for cls in classes for kind, base in KINDS.items() if issubclass(cls, base)
    ]
    return Catalogue(tuple(offers), (), failures, pluggy.PluginManager("test"))


CATALOGUE = catalogue_of(Phantom, Scans, Plain, Tips, Sharp, Rmse, Ssim, Overlap)


EXAMPLE = """\
name: quick
datasets:
  - phantom
  - name: phantom
    label: head
    params: {size_px: 128, root: /data}
    noise: [1e5, 2e5, 1e6]
denoisers:
  - none
  - name: tips
    label: my tips
    params: {sigma_t_hu: 5}
  - name: tips
    params: {window_px: 9}
    grid: {sigma_t_hu: [5, 10], sigma_s_px: [2, 3.5]}
  - name: tips
    tune:
      parameters:
        sigma_t_hu: [1, 3, 10]
      map: mtt
  - name: sharp
    params: {flip: true}
    tune:
      parameters:
        strength: {low: 1, high: 100, log: true}
        mode: [null, reflect]
      search: tpe
      trials: 30
      metric: rmse_truth
      seed: 4
metrics: [rmse, ssim, {name: rmse, params: {against: truth}}, {name: ssim, label: ssim0, params: {data_range: 50}}]
maps: {deconvolution: osvd, kappa: 0.73}
seeds: [0, 7]
exclude:
  - {denoiser: tips, noise: 1e5}
  - {dataset: phantom, seed: 7}
resources: {device: cpu, threads: 2, memory_gib: 4, timeout_s: 600, repeats: 3}
"""
HEAD = "datasets: [phantom]\ndenoisers: [none]\n"
DENOISERS = "datasets: [phantom]\ndenoisers:\n"
