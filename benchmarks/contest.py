"""The contest of a kernel with its peers: first they agree, then each is timed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest

from .machine import Work

THREADS = os.cpu_count() or 1
SPENT_S = 1.5  # on the rounds of one contestant,
LEAST_ROUNDS, MOST_ROUNDS = 3, 100  # within these limits,
LONG_S = 5.0  # but one round is enough of what takes longer than this


@dataclass(frozen=True)
class Agreement:
    """How far a peer's answer may be from ours: `distance` of both at most `limit`, in `unit`."""

    limit: float
    unit: str
    distance: Callable[[Any, Any], float]


def within(limit: float, unit: str) -> Agreement:
    """Agree where no element of two arrays differs by more than `limit`."""
    return Agreement(limit, unit, lambda ours, theirs: float(np.abs(np.subtract(ours, theirs)).max()))


@dataclass(frozen=True)
class Peer:
    """Another way to the same answer; with no agreement a floor, which does less and can't be compared."""

    run: Callable[[], Any]
    agreement: Agreement | None = None


class Contest:
    """Times one contestant of a group, ours or a peer, after asserting once that all of the group agree."""

    def __init__(self, request: pytest.FixtureRequest, agreed: dict[tuple[str, str], dict[str, str]]) -> None:
        self._request, self._agreed = request, agreed

    def __call__(
        self,
        who: str,
        *,
        task: str,
        size: str,
        ours: Callable[[], Any],
        peers: Mapping[str, Peer],
        images: Mapping[str, int] | None = None,
        setup: Callable[[], None] | None = None,
        work: Work | None = None,
        **facts: Any,
    ) -> None:
        """Time `who`: "ours" or the name of a peer.

        Parameters
        ----------
        task, size : str
            The group.
        images : mapping, optional
            How many images a contestant works on at once, where that is not 1: the table shows the time of one.
        setup : callable, optional
            Called before every round, not timed.
        work : Work, optional
            What ours does for one image, from which follows how fast this machine could be.
        **facts
            Kept beside the timing, for the table.
        """
        if (task, size) not in self._agreed:
            self._agreed[task, size] = _agree(ours, peers, setup)
        benchmark = self._request.getfixturevalue("benchmark")  # which complains where it is not used
        benchmark.group = f"{task} {size}"
        checked = self._agreed[task, size].get(who, "")
        at_once = (images or {}).get(who, 1)
        benchmark.extra_info.update(task=task, size=size, who=who, checked=checked, images=at_once, **facts)
        if work is not None:
            benchmark.extra_info["work"] = asdict(work)
        run = ours if who == "ours" else peers[who].run
        if benchmark.enabled:
            benchmark.pedantic(run, setup=setup, rounds=_rounds(run, setup))
        else:
            benchmark(lambda: None)  # untimed: the agreement above was its one run


def _agree(ours: Callable[[], Any], peers: Mapping[str, Peer], setup: Callable[[], None] | None) -> dict[str, str]:
    """Run everyone once, assert that the answers agree, and say how well."""
    if setup:
        setup()
    answer = ours()
    checked = {}
    for name, peer in peers.items():
        theirs = peer.run()
        if peer.agreement is None:
            checked[name] = "does less"
            continue
        agreement = peer.agreement
        distance = agreement.distance(answer, theirs)
        assert distance <= agreement.limit, f"{name}: {distance:.3g} from ours; allowed: {agreement.limit:g}"
        checked[name] = f"{distance:.2g} <= {agreement.limit:g} {agreement.unit}".rstrip()
    return checked


def _rounds(run: Callable[[], Any], setup: Callable[[], None] | None) -> int:
    if setup:
        setup()
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    return 1 if seconds > LONG_S else min(max(math.ceil(SPENT_S / seconds), LEAST_ROUNDS), MOST_ROUNDS)
