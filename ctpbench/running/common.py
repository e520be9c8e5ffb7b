"""What the cells of a plan have in common, worked out once, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ctpbench.code import component_hash, component_libraries, text_of
from ctpbench.contract.components import Denoiser
from ctpbench.running.work import ComponentSpec
from ctpbench.settings import MapsSettings
from ctpbench.suite.entries import DenoiserEntry, Suite

T = TypeVar("T")


class Common:
    """What follows from the suite's metrics, from a row, and from a row at a level."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[tuple[object, ...], Any]] = {}

    def metrics_text(self, suite: Suite) -> str:
        """Return what decides the scores of a suite's metrics."""
        return self.once("metrics", (suite,), lambda: text_of(_metric_identities(suite)))

    def row_texts(self, row: DenoiserEntry) -> tuple[str, str]:
        """Return what a row's method is, and how its maps are computed."""
        return self.once("row", (row,), lambda: (text_of(_identity(row)), text_of([*map(plain_maps, row.maps)])))

    def denoiser(self, row: DenoiserEntry) -> Denoiser:
        """Return the denoiser of a row that is not tuned."""
        return self.once("denoiser", (row,), row.component)

    def identity_text(self, denoiser: Denoiser) -> str:
        """Return what decides a denoiser's answer, of one that `denoiser` returned."""
        return self.once("identity", (denoiser,), lambda: text_of(ComponentSpec.of(denoiser).identity))

    def once(self, what: str, of: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what follows from some objects, made at the first time."""
        place = (what, *map(id, of))
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = of, make()  # which keeps them, so that no others get their ids
        made: T = known[1]
        return made


def _identity(row: DenoiserEntry) -> list[Any]:
    """Return what decides a row's answers, whatever it is called."""
    method = row.cls
    code = [component_hash(method), component_libraries(method)]
    return [method.name, method.version, *code, dict(row.params), repr(row.tune)]


def _metric_identities(suite: Suite) -> list[tuple[str, dict[str, Any]]]:
    return [(metric.label, ComponentSpec.of(metric.component).identity) for metric in suite.metrics]


def plain_maps(settings: MapsSettings) -> dict[str, Any]:
    """Return a way to compute maps as plain data."""
    return settings.model_dump(mode="json")
