"""Work of components that no other process can import, such as a function in a notebook: done in this process.

It takes the course that all work takes, with the same checks, the same clock and the same maps; nothing is kept from
it, and no limit of time or memory ends it. All other work is handed to another executor.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Self

from ctpbench.code import CORE
from ctpbench.contract.components import Component
from ctpbench.running import messages
from ctpbench.running.attempts import attempt
from ctpbench.running.executors.protocol import Began, Ended, Event, Limits, Workers
from ctpbench.running.faults import InvalidOutput, failure, invalid
from ctpbench.running.host import Host, Progress
from ctpbench.running.job import Job
from ctpbench.running.log import Log
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import LONGEST_MESSAGE, Assignment, ComponentSpec, ErrandTask, ItemId, Outcome
from ctpbench.text import plain_text

Classes = Mapping[str, type[Component]]
"""The components' classes by their qualified names."""


class HereExecutor:
    """Does the work of some components in this process, one piece after the other, while others work elsewhere.

    Parameters
    ----------
    others : Workers
        What does all other work.
    classes : mapping
        Whose work is done here.
    limits : Limits
        Device and threads; those of time and memory hold for the others alone.
    tell : callable(label, fraction, text)
        Hears how far the work here is, as nobody asks for events meanwhile.
    done : list
        To which what is worked on here is added: nobody could tell later whether it still holds.
    """

    def __init__(
        self,
        others: Workers,
        classes: Classes,
        limits: Limits,
        tell: Callable[[str, float, str], None],
        done: list[ItemId],
    ) -> None:
        self._others, self._classes, self._limits, self._tell = others, classes, limits, tell
        self._waiting: list[Assignment] = []
        self._done = done

    def __enter__(self) -> Self:
        self._others.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._others.__exit__(*exception)

    def hold(self) -> Hold:
        """Return how far the kernel holds the processes of the other components."""
        return self._others.hold()

    @property
    def running(self) -> int:
        """How many batches are at work."""
        return self._others.running + bool(self._waiting)

    @property
    def slots(self) -> int | None:
        """How many batches the others take, where they place them themselves."""
        return self._others.slots

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Start work on a batch, or put it where `events` finds it."""
        if any(spec.qualname in self._classes for spec in batch[0].item.task.components):
            self._waiting += batch
        else:
            self._others.submit(batch)

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        """Yield what has happened elsewhere, then do a piece of work here."""
        heard = False
        for event in self._others.events(0.0 if self._waiting else wait_s):
            heard = True
            yield event
        if self._waiting and not heard:  # what was heard is filed first: work here may take long
            self._done.append(self._waiting[0].item.id)
            yield Began(self._waiting[0])
            outcome = self._outcome(self._waiting[0])
            yield Ended(self._waiting.pop(0), outcome)

    def close(self) -> None:
        """Forget what waits, and kill what still runs elsewhere."""
        self._waiting.clear()
        self._others.close()

    def _outcome(self, assignment: Assignment) -> Outcome:
        room = Path(tempfile.mkdtemp(dir=assignment.out.parent))
        label = assignment.item.label
        try:
            with (
                _HereHost(room, self._classes, self._limits) as host,
                Log(assignment.log) as log,
            ):
                return attempt(assignment, host, log, lambda fraction, text: self._tell(label, fraction, text))
        finally:
            shutil.rmtree(room, ignore_errors=True)


@dataclass(frozen=True)
class _HereJob(Job):
    """A job whose components are made of the classes that are given."""

    classes: Classes

    def build(self, spec: ComponentSpec) -> Component:
        return self.classes[spec.qualname](**spec.params)


class _HereHost(Host):
    """Lets components work in this process."""

    def __init__(self, room: Path, classes: Classes, limits: Limits) -> None:
        super().__init__(room, None, {}, limits.device, limits.threads)
        self._classes = classes

    def send(
        self, key: str, task: ErrandTask, inputs: Mapping[str, Path], checkpoints: Path
    ) -> tuple[messages.Errand, float]:
        """Keep in mind what is to be done; it is done when it is asked for."""
        self.clear()
        import_module(f"ctpbench.running.errands.{task.stage}")
        errand = messages.Errand(
            key=key, task=task, inputs=dict(inputs), out=self.made, scratch=self.home, checkpoints=checkpoints
        )
        return errand, time.perf_counter()

    def hear(self, errand: messages.Errand, log: Log, progress: Progress) -> Outcome:
        """Do it; return how it ended."""
        places = (errand.inputs, self.made, self.home, errand.checkpoints, self.device, self.threads)
        job = _HereJob(*places, progress, self._classes)
        work = import_module(f"ctpbench.running.errands.{errand.task.stage}")
        try:
            return Outcome(status="ok", info=work.run(errand.task, job))
        except InvalidOutput as error:
            return invalid(error)
        except (Exception, SystemExit) as error:
            log.write(traceback.format_exc().encode())
            return _placed(failure(error, self.made, self.home), error)


def _placed(outcome: Outcome, error: BaseException) -> Outcome:
    """Return an outcome whose message ends with the line of the user's own code that an exception came from."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not Path(frame.filename).is_relative_to(CORE)]
    if not theirs or outcome.status != "error":
        return outcome
    message = f"{outcome.message} ({theirs[0].name}, line {theirs[0].lineno})"
    return outcome.model_copy(update={"message": plain_text(message, LONGEST_MESSAGE)})
