"""A run on a farm of workers, event by event: how long it takes, and what is busy meanwhile.

A run is chains of pieces of work, such as a fit, the prediction with it and its scores, one after the other. They are
begun in order, at most `ACTIVE_A_WORKER` for each worker at a time, as `ctpbench.running.runner` does. One driver hands
out pieces and files answers, a piece at a time; what travels goes through its one link.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_ACTIVE, ACTIVE_A_WORKER = 64, 4


@dataclass(frozen=True)
class Piece:
    """Seconds of work, and 1e6 bytes that travel to the worker and back."""

    seconds: float
    mb: float = 0.0


Chain = Sequence[Piece]


@dataclass(frozen=True)
class Farm:
    """What a run has to run on.

    Attributes
    ----------
    workers : int
        Each takes one piece at a time.
    driver_s : float
        The driver's time for a piece: half when it is handed out, half when it is filed.
    overhead_s : float
        A worker's time for a piece beside its work: a process made, its inputs read.
    link_mb_s : float
        1e6 bytes a second through the driver's link.
    spread : float
        Standard deviation of the logarithm of seconds: pieces take longer and shorter than they should.
    lost_per_h : float
        How often an hour a worker is lost, with what it was at.
    back_s : float
        After which there is another in the place of one that was lost, or whose time is over.
    lifetime_s : float
        After which a worker's job ends. It takes no piece that it expects not to finish.
    """

    workers: int
    driver_s: float = 0.0
    overhead_s: float = 0.0
    link_mb_s: float = math.inf
    spread: float = 0.0
    lost_per_h: float = 0.0
    back_s: float = 60.0
    lifetime_s: float = math.inf


@dataclass(frozen=True)
class Course:
    """How a run went.

    Attributes
    ----------
    makespan_s : float
    used, driver, link : float
        Shares of the makespan: of all workers' time with work that counts, of the driver's and of the link's time.
    longest : float
        The longest chain's own time over the makespan: no farm is faster than it.
    lost_s : float
        Workers' time with what was lost.
    """

    makespan_s: float
    used: float
    driver: float
    link: float
    longest: float
    lost_s: float

    @property
    def limit(self) -> str:
        """What is busy for the largest share: more of anything else would help little."""
        busy = {"workers": self.used, "driver": self.driver, "link": self.link, "longest chain": self.longest}
        return max(busy, key=lambda name: busy[name])


class _Server:
    """Serves one after the other."""

    def __init__(self) -> None:
        self.free_at = self.busy_s = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Return when what comes now is done."""
        self.free_at = max(now, self.free_at) + seconds
        self.busy_s += seconds
        return self.free_at


def simulate(chains: Sequence[Chain], farm: Farm, seed: int = 0) -> Course:
    """Return how chains of work go on a farm; the same seed gives the same answer.

    Raises
    ------
    ValueError
        Where a piece takes longer than a worker lives, and would never be finished.
    """
    _check(chains, farm)
    rng = np.random.default_rng(seed)
    driver, link = _Server(), _Server()
    waiting = iter(range(len(chains)))
    ready = [(chain, 0) for chain in itertools.islice(waiting, max(LEAST_ACTIVE, ACTIVE_A_WORKER * farm.workers))]
    order = itertools.count()
    events: list[tuple[float, int, str, int, int, int]] = []  # when, order, what; worker, chain, piece
    idle = deque(range(farm.workers))
    ends = np.full(farm.workers, farm.lifetime_s)
    lost = _losses(farm, rng, np.zeros(farm.workers))
    left, now, worked_s, lost_s = len(chains), 0.0, 0.0, 0.0

    def at(when: float, what: str, worker: int, chain: int = 0, place: int = 0) -> None:
        heapq.heappush(events, (when, next(order), what, worker, chain, place))

    while left:
        while ready and idle:
            chain, place = heapq.heappop(ready)
            worker, piece = idle.popleft(), chains[chain][place]
            expected_s = farm.overhead_s + piece.seconds
            if now + expected_s > ends[worker]:
                heapq.heappush(ready, (chain, place))
                at(max(now, ends[worker]) + farm.back_s, "another worker", worker)
                continue
            begun = link.serve(driver.serve(now, farm.driver_s / 2), piece.mb / farm.link_mb_s)
            took_s = farm.overhead_s + piece.seconds * (
                math.exp(farm.spread * rng.standard_normal()) if farm.spread else 1
            )
            if begun + took_s > (end := min(lost[worker], ends[worker])):
                lost_s += max(end - begun, 0.0)
                at(max(end, begun), "lost", worker, chain, place)
            else:
                worked_s += took_s
                at(begun + took_s, "done", worker, chain, place)
        now, _, what, worker, chain, place = heapq.heappop(events)
        match what:
            case "done":
                at(driver.serve(now, farm.driver_s / 2), "filed", worker, chain, place)
            case "lost":
                heapq.heappush(ready, (chain, place))
                at(now + farm.back_s, "another worker", worker)
            case "another worker":
                ends[worker] = now + farm.lifetime_s
                lost[worker] = _losses(farm, rng, np.array([now]))[0]
                idle.append(worker)
            case "filed":
                idle.append(worker)
                if place + 1 < len(chains[chain]):
                    heapq.heappush(ready, (chain, place + 1))
                    continue
                left -= 1
                if (begins := next(waiting, None)) is not None:
                    heapq.heappush(ready, (begins, 0))
    longest = max(sum(farm.overhead_s + piece.seconds for piece in chain) for chain in chains)
    shares = (worked_s / farm.workers, driver.busy_s, link.busy_s, longest)
    return Course(now, *(share / now for share in shares), lost_s)


def _losses(farm: Farm, rng: np.random.Generator, since: np.ndarray) -> np.ndarray:
    """Return when workers will be lost that are there since then."""
    if not farm.lost_per_h:
        return np.full(len(since), math.inf)
    return since + rng.exponential(3600 / farm.lost_per_h, len(since))


def _check(chains: Sequence[Chain], farm: Farm) -> None:
    longest_s = max(piece.seconds for chain in chains for piece in chain) + farm.overhead_s
    if longest_s > farm.lifetime_s:
        raise ValueError(
            f"a piece takes {longest_s:.0f} s and a worker lives {farm.lifetime_s:.0f} s: allowed: a longer life; "
            "or make the pieces smaller"
        )
