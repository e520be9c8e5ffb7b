"""What a runner has done by the workers of a pool: they hand batches to a station, and tell of them in a file.

A pool cannot be told to end what it is at. So whoever works for a run watches whether that is still there.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from pathlib import Path

from ctpbench.running.executors import site
from ctpbench.running.executors.answer import SPEAKS_EVERY_S, Answer, files_of, made_folders
from ctpbench.running.executors.station import Facts, Order, Question, Report, weaker
from ctpbench.running.identity import Wanted, differences
from ctpbench.running.messages import Done, Progressed
from ctpbench.running.record import Plain, Sandbox
from ctpbench.running.work import Outcome

_LOOK_S = 1.0


class Employer(Plain):
    """For whom work is done.

    Attributes
    ----------
    run : str
    sign : Path
        A file of the run's folder, which the runner writes to now and then as long as it wants anything.
    wanted : Wanted
        What decides answers.
    sandboxed : bool
    """

    run: str
    sign: Path
    wanted: Wanted
    sandboxed: bool


class Commission(Plain):
    """A batch as it comes to a worker.

    Attributes
    ----------
    employer : Employer
    order : Order
    identity : mapping
        What decides answers as the runner has it.
    held : {"none", "partial", "full"}
        How far the kernel must hold methods at least.
    told : Path
        Where reports are written, a line each, while it is at work.
    """

    employer: Employer
    order: Order
    identity: dict[str, str]
    held: Sandbox
    told: Path


class PoolAnswer(Plain):
    """What became of a batch, or why it is refused."""

    answer: Answer | None = None
    refusal: str = ""


def greet(employer: str) -> str:
    """Return what this worker is like, called by a pool."""
    return _office(Employer.model_validate_json(employer)).facts.model_dump_json()


def work(commission: str) -> str:
    """Have a batch worked on; called by a pool."""
    asked = Commission.model_validate_json(commission)
    office = _office(asked.employer)
    if refusal := _refusal(asked, office.facts):
        return PoolAnswer(refusal=refusal).model_dump_json()
    made_folders(asked.order.assignments)
    fate, done = "gone", dict[str, Outcome]()
    with asked.told.open("a") as told:
        reports = site.station_of(office.site).ask(asked.order)
        spoke_s = 0.0
        while (report := reports.get()) is not None:
            if report.over:
                fate = "over"
                break
            match report.message:
                case Done(key=key, outcome=outcome):
                    done[key] = outcome
                case Progressed() if time.monotonic() - spoke_s < SPEAKS_EVERY_S:
                    continue
                case Progressed():
                    spoke_s = time.monotonic()
            told.write(report.model_dump_json() + "\n")
            told.flush()
    files = [
        file
        for number, assignment in enumerate(asked.order.assignments)
        for file in files_of(number, assignment, done.get(assignment.item.key))
    ]
    answer = Answer.model_validate({"fate": fate, "done": done, "files": files})
    return PoolAnswer(answer=answer).model_dump_json()


class _Office:
    """What one run has in this process."""

    def __init__(self, employer: Employer) -> None:
        self._employer = employer
        self._seen: tuple[int, float] = employer.sign.stat().st_mtime_ns, time.monotonic()
        own = employer.sign.parent / f"{socket.gethostname()}-{os.getpid()}"
        self.site = site.site_of(employer.run, own)
        threading.Thread(target=self._watch, daemon=True).start()
        question = Question(batch="greeting", wanted=employer.wanted, sandboxed=employer.sandboxed)
        reports: queue.SimpleQueue[Report | None] = site.station_of(self.site).ask(question)
        report = reports.get()
        if report is None or report.facts is None:
            raise RuntimeError("the process that should work there ends at once; see what the pool logs")
        self.facts: Facts = report.facts

    @property
    def _wanted(self) -> bool:
        """Whether the runner was heard of lately, by the clock of this machine."""
        try:
            wrote = self._employer.sign.stat().st_mtime_ns
        except OSError:
            return False
        if wrote != self._seen[0]:
            self._seen = wrote, time.monotonic()
        return time.monotonic() - self._seen[1] < site.LEASE_S

    def _watch(self) -> None:
        """End what works for the run once that is gone."""
        while self._wanted:
            time.sleep(_LOOK_S)
        _OFFICES.pop(self._employer.run, None)
        site.end(self._employer.run)


_OFFICES: dict[str, _Office] = {}
_LOCK = threading.Lock()


def _office(employer: Employer) -> _Office:
    with _LOCK:
        if employer.run not in _OFFICES:
            if not employer.sign.is_file():
                raise FileNotFoundError(
                    f"{socket.gethostname()} does not see the run's folder: {employer.sign} is not there"
                )
            _OFFICES[employer.run] = _Office(employer)
        return _OFFICES[employer.run]


def _refusal(asked: Commission, facts: Facts) -> str:
    """Return why this worker cannot be used, nothing where it can."""
    if others := differences(facts.identity, asked.identity):
        return f"{facts.host} has {'; '.join(others)}; install the same on both"
    if weaker(facts.hold.word, asked.held):
        return f"the sandbox of {facts.host} is {facts.hold.word}, that of the run's other workers {asked.held}"
    return ""
