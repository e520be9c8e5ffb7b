"""Where a run's work is done, as its first line and its results say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ctpbench import device
from ctpbench.running.executors.protocol import Limits

if TYPE_CHECKING:
    from ctpbench.running.executors.dask import DaskExecutor
    from ctpbench.running.executors.pooled import PooledWorkers


@dataclass(frozen=True)
class Where:
    """Where work is done: in words, on what, with how many threads each, and what results say of it."""

    words: str
    hardware: str
    threads: int
    facts: dict[str, Any] = field(default_factory=dict)


def here(limits: Limits, jobs: int) -> Where:
    """Return that it is this machine."""
    hardware = device.hardware(limits.device)
    return Where(f"{hardware} ({limits.device}), {_each(limits.threads, jobs)}", hardware, limits.threads)


def on_cluster(workers: DaskExecutor, jobs: int) -> Where:
    """Return which workers are there when the run begins; records name the hardware of each timing."""
    posts = workers.posts
    threads, most = max((post.threads for post in posts), default=1), min(jobs, workers.slots)
    hosts, hardware = sorted({post.host for post in posts}), sorted({post.hardware for post in posts})
    names = f"{', '.join(hosts[:3])}{' and others' * (len(hosts) > 3)}"
    words = f"{len(posts)} worker{'s' * (len(posts) != 1)} on {names}: {' and '.join(hardware)}, {_each(threads, most)}"
    return Where(
        words, hardware[0] if hardware else "", threads, _facts(hardware, workers.device, threads, most, len(posts))
    )


def on_pool(name: str, workers: PooledWorkers, jobs: int) -> Where:
    """Return what the pool's worker is like that answered first; records name the hardware of each timing."""
    facts, threads = workers.facts, workers.threads
    words = f"{name}, which reaches {facts.host}: {facts.hardware}, {_each(threads, jobs)}"
    return Where(words, facts.hardware, threads, _facts([facts.hardware], workers.device, threads, jobs, jobs))


def _each(threads: int, jobs: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)} each, {jobs} at a time"


def _facts(hardware: Sequence[str], device: str, threads: int, jobs: int, workers: int) -> dict[str, Any]:
    return {
        "cpu": " and ".join(hardware),
        "gpu": "",
        "memory_gib": "",
        "device": device,
        "threads": threads,
        "jobs": jobs,
        "workers": workers,
    }
