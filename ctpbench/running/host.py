"""Who lets a component's code work: starts its process, hands it what it may see, times it, and believes it nothing.

The process, the guest, is shut in by the kernel where this can be done. A file is handed over as a link in a folder
that the guest may read, at the moment when its clock starts.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from ctpbench.arrays import Float32
from ctpbench.code import digest
from ctpbench.running import guest, messages
from ctpbench.running.faults import InvalidOutput, crash
from ctpbench.running.log import Log
from ctpbench.running.room import GIVEN, HOME, MADE, clear, remove
from ctpbench.running.sandbox.enclosure import Hold, Reach
from ctpbench.running.sandbox.porter import Porter
from ctpbench.running.work import ErrandTask, Outcome

Progress = Callable[[float, str], None]
_READ = 2**16


@dataclass(frozen=True)
class _Guest:
    """A guest's process number, its checkpoints, the two ends by which it is heard, and the keys of what it has done.

    The ends are those of its messages and of what it prints.
    """

    process: int
    checkpoints: Path
    channel: socket.socket
    mailbox: messages.Mailbox
    printed: int
    done: set[str] = field(default_factory=set)


class Host:
    """Lets guests work in a room on disk. Use as a context manager: leaving it ends the guest.

    A guest stays for all that is asked until it fails in a way that ends it; what is asked next finds a new one.

    Parameters
    ----------
    room : Path
        A folder. In it ``given`` will hold what the guest may read, ``made`` what it wrote, ``home`` its scratch
        files: they are made, and emptied, where they are there already.
    reach : Reach or None
        What else it may reach; None where nothing is kept from it.
    environment : mapping
        Environment variables that it gets beside those of this process.
    device : str
    threads : int
    porter : Porter or None
        Whose copies the guests are; None for one of its own, made of this process when the first guest is invited.
    """

    def __init__(
        self,
        room: Path,
        reach: Reach | None,
        environment: Mapping[str, str],
        device: str,
        threads: int,
        porter: Porter | None = None,
    ) -> None:
        place = room.resolve()
        self.given, self.made, self.home = place / GIVEN, place / MADE, place / HOME
        self.hold: Hold | None = None
        """What of the sandbox the kernel provided."""
        self.device, self.threads = device, threads
        self._reach, self._environment, self._porter, self._own_porter = reach, environment, porter, porter is None
        self._guest: _Guest | None = None
        self._asked = 0

    def __enter__(self) -> Self:
        for folder in (self.given, self.made, self.home):
            folder.mkdir(exist_ok=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self.dismiss()
        if self._own_porter and self._porter is not None:
            self._porter.close()

    @property
    def guest(self) -> int | None:
        """The process number of the guest that is there."""
        return None if self._guest is None else self._guest.process

    def dismiss(self) -> None:
        """End the guest, if there is one: what is asked next finds a new one."""
        if self._guest is not None and self._porter is not None:
            self._let_go()
            self._porter.dismiss()

    def ask(
        self, key: str, task: ErrandTask, inputs: Mapping[str, Path], checkpoints: Path, log: Log, progress: Progress
    ) -> tuple[Outcome, float]:
        """Have something done; return how it ended, and the seconds since its inputs were handed over.

        What the guest wrote then lies in `made`.
        """
        errand, started = self.send(key, task, inputs, checkpoints)
        outcome = self.hear(errand, log, progress)
        return outcome, time.perf_counter() - started

    def send(
        self, key: str, task: ErrandTask, inputs: Mapping[str, Path], checkpoints: Path
    ) -> tuple[messages.Errand, float]:
        """Have something begun, which `hear` waits for; return what was asked, and when its inputs are handed over."""
        checkpoints, here = checkpoints.resolve(), self._guest
        if here is None or here.checkpoints != checkpoints:
            here = self._invite(checkpoints)
        self.clear()  # the guest before is gone by now, if there was one
        started = time.perf_counter()
        given = self._hand_over(inputs)
        self._asked += 1
        errand = messages.Errand(
            key=f"{key} {self._asked}",
            task=task,
            inputs=given,
            out=self.made,
            scratch=self.home,
            checkpoints=checkpoints,
        )
        with suppress(BrokenPipeError):  # a guest that is gone is seen as such when it is listened to
            messages.send_order(here.channel.fileno(), errand)
        return errand, started

    def hear(self, errand: messages.Errand, log: Log, progress: Progress) -> Outcome:
        """Hear the guest out on what it was sent for; one that ends, or says what makes no sense, is dismissed."""
        here = self._guest
        assert here is not None, "nobody was sent"
        while True:
            select.select([here.channel.fileno(), here.printed], [], [])
            _drain(here.printed, log)
            try:
                for message in here.mailbox.messages():
                    if isinstance(message, messages.Ready):
                        self.hold = self.hold or Hold(message.landlock, message.namespaces)
                    elif isinstance(message, messages.Idle):
                        raise messages.Malformed("idle, which a guest does not say")
                    elif message.key in here.done:
                        continue  # of one that is over, for which it had no more to say
                    elif isinstance(message, messages.Started) or message.key != errand.key:
                        raise messages.Malformed(f"{message.event} {message.key[:60]!r}, which nobody asked for")
                    elif isinstance(message, messages.Progressed):
                        progress(message.fraction, message.text)
                    else:
                        _drain(here.printed, log)
                        here.done.add(message.key)
                        return _checked(message.outcome, errand)
            except messages.Malformed as error:
                self.dismiss()
                text = f"its process sent what is no message of the harness: {error}"
                return Outcome(status="error", message=text[:1000])
            if here.mailbox.closed:
                _drain(here.printed, log)
                return crash(self._verdict())

    def clear(self) -> None:
        """Empty the folders that the guest writes to."""
        for folder in (self.made, self.home):
            clear(folder)

    def array(self, name: str, shape: tuple[int, ...]) -> Float32:
        """Return an array that the guest wrote, of a known shape: plain float32 values and nothing else.

        Raises
        ------
        InvalidOutput
            Where there is none, or one of another size.
        """
        size = 4 * int(np.prod(shape))
        try:
            file = os.open(self.made / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise InvalidOutput(f"its process left no {name} ({error.strerror})") from None
        with os.fdopen(file, "rb") as opened:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                raise InvalidOutput(f"its process left {found.st_size} bytes in {name}; allowed: {size}")
            return np.fromfile(opened, np.float32).reshape(shape)

    def collect(self, out: Path) -> None:
        """Move all files that the guest wrote into a folder.

        Raises
        ------
        InvalidOutput
            Where something is neither file nor folder: a link would lead whoever follows it anywhere.
        """
        for path in self.made.rglob("*"):
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise InvalidOutput(
                    f"wrote {path.relative_to(self.made)}, which is no file; allowed: files and folders"
                )
        for path in self.made.iterdir():
            path.rename(out / path.name)

    def peak_memory_mib(self) -> float | None:
        """Return the most memory that the guest has held; None where the system does not tell."""
        with suppress(OSError, StopIteration):
            if self._guest is not None:
                lines = Path(f"/proc/{self._guest.process}/status").read_text().splitlines()
                return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM"))
        return None

    # -- the guest ----------------------------------------------------------------------------------------------

    def _invite(self, checkpoints: Path) -> _Guest:
        """Start a guest that may write to its folders and to these checkpoints."""
        self.dismiss()
        mine, theirs = socket.socketpair()
        printed, prints = os.pipe()
        reach, home = self._reach, None
        if reach is not None:
            home, kernels = self.home, self._environment.get("NUMBA_CACHE_DIR")
            own = (*map(str, (self.made, self.home, checkpoints)), *((kernels,) if kernels else ()))
            reach = replace(reach, readable=(*reach.readable, str(self.given)), writable=(*reach.writable, *own))

        self._porter = self._porter or Porter(guest.live)
        process = self._porter.admit(theirs.fileno(), prints, network=reach is None)
        theirs.close()
        os.close(prints)
        os.set_blocking(printed, False)
        self._guest = _Guest(process, checkpoints, mine, messages.Mailbox(mine.fileno()), printed)
        told = messages.Invitation(
            reach=reach, environment=dict(self._environment), home=home, device=self.device, threads=self.threads
        )
        with suppress(BrokenPipeError):
            messages.send_order(mine.fileno(), told)
        return self._guest

    def _verdict(self) -> int | None:
        """Return the exit code of a guest that ends, negative where a signal ended it; None where nobody knows."""
        self._let_go()
        return None if self._porter is None else self._porter.verdict()

    def _let_go(self) -> None:
        here, self._guest = self._guest, None
        if here is not None:
            here.channel.close()
            os.close(here.printed)

    def _hand_over(self, inputs: Mapping[str, Path]) -> dict[str, Path]:
        """Let the guest read these files and folders, and no other any more; return where it finds them."""
        places = {role: self.given / f"{digest(str(path))}{path.suffix}" for role, path in inputs.items()}
        for place in set(self.given.iterdir()) - set(places.values()):
            remove(place)
        for role, path in inputs.items():
            if path.is_dir() and not places[role].exists():
                shutil.copytree(path, places[role], copy_function=_link)
            elif path.exists() and not places[role].exists():
                _link(path, places[role])
        return places


def _checked(outcome: Outcome, errand: messages.Errand) -> Outcome:
    if outcome.ok != (outcome.info is not None and outcome.info.stage == errand.task.stage):
        raise messages.Malformed(f"{errand.task.stage} is done with what belongs to no such work")
    return outcome


def _link(source: os.PathLike[str] | str, place: os.PathLike[str] | str) -> None:
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, place, follow_symlinks=False)


def _drain(printed: int, log: Log) -> None:
    with suppress(BlockingIOError):
        while text := os.read(printed, _READ):
            log.write(text)
