"""The porter: a process that has seen nothing yet. Each guest is a copy of it, and one is let in at a time.

It is forked before anything is done, so that no data, no path and no secret is in the memory that a guest gets; what a
guest is told it is told by its host once it is there. It is forked warm, with all imported that its guests need. Once a
guest is let in the next one is forked, and waits for its files in namespaces of its own: nobody waits for it. It takes
some 20 ms to be ready, less than most methods take to be imported and made, and only then they are timed.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker, spawn
from typing import NoReturn, Self

from ctpbench.running import processes
from ctpbench.running.sandbox import namespaces
from ctpbench.running.sandbox.chambers import Chamber, Chambers

_APART, _TOGETHER, _END, _TELL = b"a", b"t", b"e", b"w"
"""What is asked for: a guest without network, one with it; the end of the one that is there, or how it ended."""
_GONE = b"g"
"""What is answered once a guest was ended that is dismissed."""
_ADMITTED, _ENDED = struct.Struct("i?"), struct.Struct("i?")
_MOST_FILES = 8
_GRACE_S = 2.0


@dataclass(frozen=True)
class Place:
    """Where a guest is: `apart` in namespaces of its own; `settled` where ``/proc`` is its own, too."""

    apart: bool
    settled: bool


Live = Callable[[Place, Sequence[int]], None]
"""What a guest does with the file descriptors that it is given."""
Ahead = Callable[[], None]
"""What a guest does while it waits for these."""


class Porter:
    """Lets guests in. Use as a context manager: leaving it ends it, and the guest with it.

    This process must have no other thread when it is made.

    Parameters
    ----------
    live : callable(place, files)
        What a guest does with the file descriptors that it is given. It ends with code 0 after it, 1 where it raises.
    ahead : callable or None
        What one that waits for these does first, if anything; of no consequence but for time.
    """

    def __init__(self, live: Live, ahead: Ahead | None = None) -> None:
        self._chambers = Chambers(os.fsdecode(spawn.get_executable())) if sys.platform == "linux" else None
        self._channel, theirs = socket.socketpair()
        self.leaves_nothing = True
        """Whether all guests so far were in namespaces of their own, so that nothing that they started is left."""
        self._leaving = False
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            _ending(lambda: _serve(theirs, self._chambers, live, ahead))
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def admit(self, *files: int, network: bool) -> int:
        """Start a guest with some file descriptors, with the system's network or none; return its process's number."""
        socket.send_fds(self._channel, [_TOGETHER if network else _APART], files)
        self.wait()
        reply = self._channel.recv(_ADMITTED.size)
        if not reply:
            raise ConnectionResetError("the process that starts methods went away; the system may be out of memory")
        guest, apart = _ADMITTED.unpack(reply)
        self.leaves_nothing &= apart
        return int(guest)

    def resident_bytes(self) -> int:
        """Return the memory that it holds, which each guest begins with."""
        return processes.resident_bytes(self._process)

    def dismiss(self) -> None:
        """End the guest, with all that it started. It is gone when the next one is let in: see `wait`."""
        with suppress(OSError):  # the porter is gone, and the guest with it
            self._channel.sendall(_END)
            self._leaving = True

    def wait(self) -> None:
        """Wait until the guest is gone that was dismissed, if there is one."""
        if self._leaving:
            self._leaving = False
            with suppress(OSError):
                self._channel.recv(len(_GONE))

    def verdict(self) -> int | None:
        """Wait for a guest that ends, and dismiss it; return its exit code, negative where a signal ended it.

        It has a moment to do so; None where it does not.
        """
        try:
            self._channel.sendall(_TELL)
            status, itself = _ENDED.unpack(self._channel.recv(_ENDED.size))
        except (OSError, struct.error):  # the porter is gone, and the guest with it
            return None
        return os.waitstatus_to_exitcode(status) if itself else None

    def close(self) -> None:
        """End the porter, and the guest that is there."""
        self._channel.close()
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        if self._chambers is not None:
            self._chambers.close()


def _serve(channel: socket.socket, chambers: Chambers | None, live: Live, ahead: Ahead | None) -> None:
    """Be the porter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if chambers is not None:
        namespaces.die_with_parent()
    _keep_open({0, 1, 2, channel.fileno()} | ({chambers.channel} if chambers else set()))
    _forget_servers()
    if chambers is not None and not chambers.possible():
        chambers = None
    if chambers is not None:
        maker = os.pidfd_open(chambers.process.pid)
        namespaces.join_users(maker)
        namespaces.die_with_parent()  # who changes what one is, is forgotten to die
        os.close(maker)
    with suppress(ConnectionError):  # it may be closed with an answer that nobody waited for
        _Door(chambers, live, ahead).keep(channel)


@dataclass(frozen=True)
class _Guest:
    """A guest's process, where it is, whether it has the system's network, and by what it is handed its files."""

    process: int
    chamber: Chamber | None
    network: bool
    channel: socket.socket


@dataclass(frozen=True)
class _Door:
    """By which guests come and go: what makes chambers for them, where there is such a thing, and what they do."""

    chambers: Chambers | None
    live: Live
    ahead: Ahead | None

    def keep(self, channel: socket.socket) -> None:
        """Let guests in and see them out until nobody asks for it any more."""
        guest: _Guest | None = None
        waiting: _Guest | None = None
        while True:
            asked, files, _, _ = socket.recv_fds(channel, 1, _MOST_FILES)
            if not asked:
                return
            if asked in (_END, _TELL):
                assert guest is not None, "nobody is there"
                itself = asked == _TELL and _ends(guest.process)
                status = self._end(guest)
                channel.sendall(_ENDED.pack(status, itself) if asked == _TELL else _GONE)
                guest = None
            else:
                guest = self._admitted(waiting, files, network=asked == _TOGETHER)
                channel.sendall(_ADMITTED.pack(guest.process, guest.chamber is not None))
                for file in files:
                    os.close(file)
                waiting = self._next(guest)

    def _admitted(self, waiting: _Guest | None, files: Sequence[int], *, network: bool) -> _Guest:
        """Hand files to who waits, or to a new guest: where nobody does, or in another network, or where it died."""
        if waiting is not None:
            if waiting.network == network and _handed(waiting, files):
                return waiting
            self._end(waiting)
        guest = self._forked(network=network)
        _handed(guest, files)
        return guest

    def _next(self, guest: _Guest) -> _Guest | None:
        """Return one like a guest, who waits; None where they would see each other, or it cannot be had now."""
        if guest.chamber is not None:
            with suppress(OSError):  # who makes chambers may have been ended; whoever asks next is told
                return self._forked(network=guest.network)
        return None

    def _forked(self, *, network: bool) -> _Guest:
        """Fork a guest into a chamber, or beside this process where there is none."""
        chamber = self.chambers.make(network=network) if self.chambers else None
        place = Place(chamber is not None, chamber is not None and chamber.settled)
        mine, theirs = socket.socketpair()
        with theirs:
            process = os.fork() if chamber is None else self._forked_into(chamber, network=network)
            if process == 0:
                _ending(lambda: self._enter(place, theirs))
        return _Guest(process, chamber, network, mine)

    def _forked_into(self, chamber: Chamber, *, network: bool) -> int:
        try:
            return namespaces.fork_beside(chamber.first, network=not network)
        except OSError:
            assert self.chambers is not None, "what has made it"
            self.chambers.end(chamber)
            self.chambers.wait()
            raise
        finally:
            os.close(chamber.first)

    def _enter(self, place: Place, channel: socket.socket) -> None:
        """Be the guest: with no power, and to end with the porter."""
        _keep_open({0, 1, 2, channel.fileno()})
        if place.apart:
            namespaces.enter()  # the porter's own is that of all its guests, and has a keyring
            namespaces.drop_powers()
        if sys.platform == "linux":
            namespaces.die_with_parent()
        with channel:
            if self.ahead is not None and not select.select([channel], [], [], 0)[0]:
                self.ahead()
            asked, files, _, _ = socket.recv_fds(channel, 1, _MOST_FILES)
        if asked:
            self.live(place, files)

    def _end(self, guest: _Guest) -> int:
        """End a guest, and what it started in its chamber; return its wait status."""
        guest.channel.close()
        if guest.chamber is None or self.chambers is None:
            os.kill(guest.process, signal.SIGKILL)  # one that has ended is there until it is waited for
            return os.waitpid(guest.process, 0)[1]
        self.chambers.end(guest.chamber)
        status = os.waitpid(guest.process, 0)[1]
        self.chambers.wait()  # for what it started
        return status


def _handed(guest: _Guest, files: Sequence[int]) -> bool:
    """Hand files to a guest that waits; return whether it was there to take them."""
    with guest.channel, suppress(OSError):
        socket.send_fds(guest.channel, [_APART], files)
        return True
    return False


def _ends(guest: int) -> bool:
    """Whether a guest ends by itself now."""
    if hasattr(os, "pidfd_open"):
        watched = os.pidfd_open(guest)
        ready, _, _ = select.select([watched], [], [], _GRACE_S)
        os.close(watched)
        return bool(ready)
    deadline = time.monotonic() + _GRACE_S
    while (waited := os.waitid(os.P_PID, guest, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.002)
    return waited is not None


def _keep_open(files: set[int]) -> None:
    """Close all file descriptors but these."""
    kept = [*sorted(files), 2**16]
    for low, high in zip([-1, *kept], kept, strict=False):
        if low + 1 < high:  # else `closerange(0, 0)` closes them all
            os.closerange(low + 1, high)


def _forget_servers() -> None:
    """Let multiprocessing be what it is in a new process.

    It knows servers by the numbers of files, which are closed here. Other files have them next: it would write into
    these and close them. The driver of a GPU lost its context in this way.
    """
    multiprocessing.set_start_method(None, force=True)
    for server in (resource_tracker._resource_tracker, forkserver._forkserver):
        type(server).__init__(server)


def _ending(work: Callable[[], None]) -> NoReturn:
    """Do some work in a forked process, of which nothing may return to what forked it."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
