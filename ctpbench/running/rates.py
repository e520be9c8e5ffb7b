"""How fast work of a kind goes, from what it took before: the most alike pieces of work, scaled to the amount."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ctpbench.running.costs import Cost
from ctpbench.running.work import Stage

Basis = Literal["same", "scaled", "rough", "unknown"]
"""What an estimate rests on: the same work, the same on more or less data, other work of that name, or nothing.

The same work on another machine is rough as well.
"""
_EITHER_WAY: dict[Basis, float] = {"same": 1.25, "scaled": 1.5, "rough": 3.0, "unknown": math.inf}
"""By what factor an estimate may be off that repeated pieces of work say nothing of: a busy machine, cold caches."""
_ALIKE = 1.1
"""Amounts of data that differ by no more are the same."""
_Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Span:
    """An estimate and the range that it may lie in.

    The ranges of several are added, for what is wrong in one, as a busy machine, is so in most.
    """

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> Span:
        return Span(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True)
class Work:
    """So many pieces of work of a kind that are to be done.

    `params` are those that are known; `amount` is the bytes of observations that each piece reads, None where nobody
    knows; `sure` says whether that is known of data with the same parameters.
    """

    stage: Stage
    name: str
    params: Mapping[str, Any]
    trial: bool
    amount: float | None
    sure: bool = True
    count: int = 1
    repeats: int = 1


@dataclass(frozen=True)
class Estimate:
    """What some work is expected to take: seconds and bytes of all of it, and MiB of its largest process."""

    basis: Basis
    seconds: Span = Span()
    size: Span = Span()
    longest_s: float = 0.0
    peak_memory_mib: float | None = None


@dataclass(frozen=True)
class _Mean:
    """The mean of so many numbers, and their standard deviation."""

    count: int
    value: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Mean:
        return cls(len(values), statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0)

    def of_sum(self, count: int, scale: float, factor: float) -> Span:
        """Return the sum of so many more of such numbers, each times a scale; its range twice the standard error."""
        likely = count * self.value * scale
        chance = 2 * self.deviation * scale * math.sqrt(count + count**2 / self.count)
        return Span(max(likely - chance, 0.0) / factor, likely, (likely + chance) * factor)


@dataclass(frozen=True)
class _Known:
    """What is known of work of one kind: means over the pieces that are most like what is to be done."""

    amount: float
    seconds: _Mean
    seconds_a_byte: _Mean | None
    size: _Mean
    size_a_byte: _Mean | None
    peak_memory_mib: float | None
    threads: float
    elsewhere: bool


class Rates:
    """What is known from costs, for work on one machine."""

    def __init__(self, own: Sequence[Cost], others: Sequence[Cost], threads: int, hardware: str) -> None:
        self._threads, self._hardware = threads, hardware
        self._by_kind: dict[_Key, list[tuple[bool, Cost]]] = {}
        for mine, costs in ((True, own), (False, others)):
            for cost in costs:
                self._by_kind.setdefault((cost.stage, cost.name, cost.trial), []).append((mine, cost))
                self._by_kind.setdefault((cost.stage, None, cost.trial), []).append((mine, cost))
        self._by_params: dict[_Key, dict[str, list[tuple[bool, Cost]]]] = {}
        self._known: dict[_Key, _Known] = {}

    def observation_bytes(self, dataset: str, params: Mapping[str, Any]) -> tuple[float, bool] | None:
        """Return how large an observation of a data set is and whether that is of these parameters; None: unknown."""
        found = self._nearest(Work("data", dataset, params, trial=False, amount=None))
        return None if found is None else (found[0].amount, found[1])

    def estimate(self, work: Work) -> Estimate:
        """Return what some work is expected to take."""
        found = self._nearest(work)
        if found is None:
            return Estimate("unknown")
        known, exact = found
        ratio = 1.0 if work.amount is None or not known.amount else work.amount / known.amount
        basis: Basis = "same" if exact and not known.elsewhere else "rough"
        if basis == "same" and not 1 / _ALIKE < ratio < _ALIKE:
            basis = "scaled"
        if not work.sure:
            basis = "rough"
        factor = _EITHER_WAY[basis]
        seconds = self._seconds(work, known, factor) * work.repeats
        size = _summed(work, known.size, known.size_a_byte, _ALIKE if basis == "same" else factor)
        low, high = sorted((1.0, known.threads / self._threads))
        seconds = Span(seconds.low * low, seconds.likely * math.sqrt(low * high), seconds.high * high)
        longest_s = seconds.likely / work.count
        return Estimate(basis, seconds, size, longest_s, known.peak_memory_mib)

    def _seconds(self, work: Work, known: _Known, factor: float) -> Span:
        """Return seconds; of training anything from as long whatever it learns from, as steps are, to in proportion."""
        scaled = _summed(work, known.seconds, known.seconds_a_byte, factor)
        if work.stage != "model":
            return scaled
        flat = known.seconds.of_sum(work.count, 1.0, factor)
        likely = math.sqrt(scaled.likely * flat.likely)
        return Span(min(scaled.low, flat.low), likely, max(scaled.high, flat.high))

    def _nearest(self, work: Work) -> tuple[_Known, bool] | None:
        """Return what is known of the work most like this, and whether its parameters are the same."""
        kind: _Key = (work.stage, work.name, work.trial)
        names = tuple(sorted(work.params))
        if (*kind, names) not in self._by_params:
            grouped: dict[str, list[tuple[bool, Cost]]] = {}
            for mine, cost in self._by_kind.get(kind, ()):
                if cost.params.keys() >= set(names):
                    grouped.setdefault(_written({name: cost.params[name] for name in names}), []).append((mine, cost))
            self._by_params[*kind, names] = grouped
        groups = self._by_params[*kind, names]
        text = _written(work.params) if groups else ""
        if alike := groups.get(text):
            return self._summary((*kind, names, text), alike, work.amount), True
        named = [work.name, None] if work.stage in ("reference", "scores") else [work.name]
        for kind in ((work.stage, name, trial) for name in named for trial in (work.trial, not work.trial)):
            if kind in self._by_kind:
                return self._summary(kind, self._by_kind[kind], work.amount), False
        return None

    def _summary(self, key: _Key, costs: Sequence[tuple[bool, Cost]], amount: float | None) -> _Known:
        if (*key, amount) not in self._known:
            self._known[*key, amount] = self._of(costs, amount)
        return self._known[*key, amount]

    def _of(self, costs: Sequence[tuple[bool, Cost]], amount: float | None) -> _Known:
        """Return means over the costs of this machine, this amount of data, as many threads and this run.

        Each as far as there are such.
        """
        wanted: list[Callable[[tuple[bool, Cost]], bool]] = [
            lambda each: each[1].hardware == self._hardware,
            lambda each: amount is None or each[1].amount / _ALIKE < amount < each[1].amount * _ALIKE,
            lambda each: each[1].threads == self._threads,
            lambda each: each[0],
        ]
        for holds in wanted:
            costs = [each for each in costs if holds(each)] or costs
        chosen = [cost for _, cost in costs]
        peaks = [cost.peak_memory_mib for cost in chosen if cost.peak_memory_mib is not None]
        return _Known(
            amount=statistics.fmean(cost.amount for cost in chosen),
            seconds=_Mean.of([cost.seconds / cost.repeats for cost in chosen]),
            seconds_a_byte=_a_byte(chosen, lambda cost: cost.seconds / cost.repeats),
            size=_Mean.of([float(cost.size) for cost in chosen]),
            size_a_byte=_a_byte(chosen, lambda cost: cost.size),
            peak_memory_mib=max(peaks, default=None),
            threads=statistics.fmean(cost.threads for cost in chosen),
            elsewhere=chosen[0].hardware != self._hardware,
        )


def _summed(work: Work, each: _Mean, a_byte: _Mean | None, factor: float) -> Span:
    """Return the sum over all pieces of work, in proportion to their amounts where these are known."""
    if work.amount is None or a_byte is None:
        return each.of_sum(work.count, 1.0, factor)
    return a_byte.of_sum(work.count, work.amount, factor)


def _a_byte(costs: Iterable[Cost], measure: Callable[[Cost], float]) -> _Mean | None:
    rates = [measure(cost) / cost.amount for cost in costs if cost.amount]
    return _Mean.of(rates) if rates else None


def _written(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(params), sort_keys=True, default=str)
