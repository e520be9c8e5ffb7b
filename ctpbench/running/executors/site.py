"""What one run has on a worker: a folder for its files, and a process that works for it, the station."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ctpbench.running.executors.station import Drop, Order, Question, Report

LEASE_S = 120.0
"""How long what works for a run is kept, once nothing is heard of its runner any more."""
_GONE_S = 2.0


class Station:
    """The process that works for one run on this machine."""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ctpbench.running.executors.station"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._heard: dict[str, queue.SimpleQueue[Report | None]] = {}
        self._lock = threading.Lock()
        self.ended = False
        threading.Thread(target=self._hear, daemon=True).start()

    def ask(self, word: Order | Question) -> queue.SimpleQueue[Report | None]:
        """Send a batch or a question; return where reports arrive, None as the last one where the process ends."""
        reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        with self._lock:
            self._heard[word.batch] = reports
            if self.ended:
                reports.put(None)
            else:
                self._write(word)
        return reports

    def drop(self, batch: str) -> None:
        """Have what works on a batch killed."""
        with self._lock:
            self._heard.pop(batch, None)
            if not self.ended:
                self._write(Drop(batch=batch))

    def close(self) -> None:
        """End the process, and all that works for it."""
        self._process.kill()
        self._process.wait()

    def _write(self, word: Order | Drop | Question) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ends: whoever listens hears of it
            self._process.stdin.write(word.model_dump_json().encode("utf-8", "replace") + b"\n")
            self._process.stdin.flush()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                report = Report.model_validate_json(line)
                with self._lock:
                    reports = self._heard.pop(report.batch, None) if report.over else self._heard.get(report.batch)
                if reports is not None:
                    reports.put(report)
        finally:
            self._process.kill()
            self._process.wait()
            with self._lock:
                self.ended = True
                with suppress(BrokenPipeError):  # what was to be said, nobody hears
                    self._process.__exit__(None, None, None)
                for reports in self._heard.values():
                    reports.put(None)


@dataclass
class Site:
    """What one run has on this worker: a folder and a station."""

    folder: Path
    batches: int = 0
    kept_s: float = field(default_factory=time.monotonic)
    _station: Station | None = None

    @property
    def station(self) -> Station:
        """The station: a new one where there is none, or none any more."""
        if self._station is None or self._station.ended:
            self._station = Station(self.folder)
        return self._station

    def close(self) -> None:
        """End the station, and remove the folder: what worked for it ends after it, and may write there meanwhile."""
        if self._station is not None:
            self._station.close()
        deadline = time.monotonic() + _GONE_S
        while self.folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(self.folder, ignore_errors=True)


_SITES: dict[str, Site] = {}
_LOCK = threading.Lock()


def site_of(run: str, place: Path) -> Site:
    """Return what a run has in a worker's folder, made where it has nothing yet."""
    folder = place.resolve() / f"ctpbench-{run}"
    with _LOCK:
        folder.mkdir(parents=True, exist_ok=True)
        return _SITES.setdefault(run, Site(folder))


def station_of(site: Site, batches: int = 0) -> Station:
    """Return a site's station, for so many batches more."""
    with _LOCK:
        site.batches += batches
        return site.station


def leave(run: str, site: Site, *, for_good: bool) -> None:
    """Note that a batch is at its end; where nobody wants its like any more, the last one ends the site."""
    with _LOCK:
        site.batches -= 1
        if ends := for_good and not site.batches:
            _SITES.pop(run, None)
    if ends:
        site.close()


def keep(run: str) -> None:
    """Note that a run's runner is there."""
    with _LOCK:
        if run in _SITES:
            _SITES[run].kept_s = time.monotonic()


def end(run: str) -> None:
    """End what works for a run and remove its files."""
    with _LOCK:
        site = _SITES.pop(run, None)
    if site is not None:
        site.close()


def end_stale() -> None:
    """End what works for runs of which nothing was heard for `LEASE_S`, and remove its files."""
    now_s = time.monotonic()
    with _LOCK:
        stale = [run for run, site in _SITES.items() if not site.batches and now_s - site.kept_s > LEASE_S]
    for run in stale:
        end(run)
