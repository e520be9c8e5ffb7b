"""One piece of work in a worker, which runs no stranger's code: what does is done by a guest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ctpbench.arrays import Float32
from ctpbench.running.host import Host
from ctpbench.running.job import Job
from ctpbench.running.log import Log
from ctpbench.running.work import (
    AnswerInfo,
    BuildInfo,
    BuildTask,
    ComponentSpec,
    DataInfo,
    ErrandTask,
    ModelInfo,
    Outcome,
    ScoresInfo,
)

I = TypeVar("I", AnswerInfo, DataInfo, ModelInfo, ScoresInfo)  # noqa: E741


class Failed(Exception):
    """What a guest was asked for did not end well."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass(frozen=True)
class HostedJob(Job):
    """A job with whoever lets a guest work for it. All of it raises `Failed` where that does not end well."""

    key: str
    host: Host
    log: Log

    def prepare(self, spec: ComponentSpec) -> None:
        """Have a component imported and made, before anything is handed over and the clock starts."""
        with self.preparing(spec):
            pass

    @contextmanager
    def preparing(self, spec: ComponentSpec) -> Iterator[None]:
        """Have it imported and made while this process does something else."""
        errand, _ = self.host.send(self.key, BuildTask(component=spec), {}, self.checkpoints)
        try:
            yield
        except BaseException:
            self.host.dismiss()  # nobody waits for its answer
            raise
        outcome = self.host.hear(errand, self.log, self.progress)
        if not isinstance(outcome.info, BuildInfo):
            raise Failed(outcome)

    def ask(self, task: ErrandTask, kind: type[I], inputs: Mapping[str, Path] | None = None) -> tuple[I, float]:
        """Have something done; return what came of it and the seconds since its inputs were handed over.

        The inputs are the job's, or those that are given.
        """
        handed = self.inputs if inputs is None else inputs
        outcome, seconds = self.host.ask(self.key, task, handed, self.checkpoints, self.log, self.progress)
        if not isinstance(outcome.info, kind):  # what is not of its kind the host refuses
            raise Failed(outcome)
        return outcome.info, seconds

    def array(self, name: str, shape: tuple[int, ...]) -> Float32:
        """Return an array that the guest wrote: see `Host.array`."""
        return self.host.array(name, shape)

    def collect(self) -> None:
        """Move what the guest wrote to where the job's work lies."""
        self.host.collect(self.out)

    def held(self) -> dict[str, Any]:
        """Return what the guest took and what held it, as this process sees it."""
        peak, hold = self.host.peak_memory_mib(), self.host.hold
        seen = {} if peak is None else {"peak_memory_mib": peak}
        return seen | ({} if hold is None else {"sandbox": hold.word})
