"""Work on a Dask cluster. The runner chooses each batch's worker, and alone decides what is tried again.

Dask is asked for what it does well: to start workers, to reach them, to say which are left. Its own scheduling would
run anew what killed a worker, and does not know what should be timed alone.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Self

from distributed import Client

from ctpbench.errors import InputError
from ctpbench.running.executors.bundles import MOST
from ctpbench.running.executors.cluster import Cluster, Request, cluster_of, quiet
from ctpbench.running.executors.dispatch import Dispatch, Over, Told
from ctpbench.running.executors.placing import Post
from ctpbench.running.executors.protocol import Event
from ctpbench.running.executors.roster import SchedulerGone
from ctpbench.running.executors.terms import Terms
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment
from ctpbench.text import duration_text, one_line

_CONNECTS_WITHIN_S = 20
_ENDS_WITHIN_S = 5.0
_POLL_S = 0.1


class DaskExecutor:
    """Runs batches on the workers of a Dask cluster. Use as a context manager: leaving it ends what still runs.

    Parameters
    ----------
    request : Request
        Where the workers are, or how they are come by.
    terms : Terms
        What they are asked for.
    say : callable(text)
        Hears what a person should know: that a worker was lost, say.
    """

    def __init__(self, request: Request, terms: Terms, say: Callable[[str], None]) -> None:
        self._request, self._terms, self._say = request, terms, say
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._names = itertools.count()
        self._running = self._short = 0
        self._made = ExitStack()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatch: Dispatch | None = None
        self._stop = asyncio.Event()

    def __enter__(self) -> Self:
        quiet()
        cluster = self._made.enter_context(cluster_of(self._request))
        self._thread = threading.Thread(target=self._serve, args=(cluster,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def hold(self) -> Hold:
        """Return how far the kernel holds the processes of components, on the weakest worker; waits for the first.

        Raises
        ------
        InputError
            Where the scheduler cannot be reached, or none of its workers be used.
        """
        while self._dispatch is None or self._dispatch.roster.hold is None:
            list(self._heard(_POLL_S))
        return self._dispatch.roster.hold

    @property
    def posts(self) -> list[Post]:
        """The workers that take work now."""
        return [] if self._dispatch is None else self._dispatch.roster.posts

    @property
    def device(self) -> str:
        """What methods run on."""
        return "cuda" if self._dispatch is not None and self._dispatch.roster.gpu else "cpu"

    @property
    def slots(self) -> int:
        """How many batches it takes at once: one for each place, and as many more as are known to be short.

        What takes long waits with the runner, which knows what is wanted first.
        """
        places = 0 if self._dispatch is None else self._dispatch.roster.slots
        return places + min(self._short, (MOST - 1) * places)

    @property
    def running(self) -> int:
        """How many batches are at work, or wait for a worker."""
        return self._running

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Have a batch worked on where there is a place for it."""
        assert self._loop is not None
        assert self._dispatch is not None
        self._running += 1
        self._short += (short := self._dispatch.is_short(batch))
        take = partial(self._dispatch.take, str(next(self._names)), list(batch), short=short)
        with suppress(RuntimeError):  # the loop has ended: what ended it is among what was told
            self._loop.call_soon_threadsafe(take)

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        """Yield what has happened; waits for at most `wait_s` where nothing has."""
        yield from self._heard(wait_s)

    def close(self) -> None:
        """End what still runs, and the cluster where it was made for this."""
        if self._thread is not None and self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(3 * _ENDS_WITHIN_S)
        self._thread = None
        self._running = self._short = 0
        self._made.close()

    def _heard(self, wait_s: float) -> Iterator[Event]:
        """Yield events and say what is to be said, until there is no more of either; wait a while for the first."""
        try:
            told = self._told.get(timeout=wait_s)
            while True:
                match told:
                    case BaseException():
                        raise told
                    case str():
                        self._say(told)
                    case Over(batches, short):
                        self._running -= batches
                        self._short -= short
                    case _:
                        yield told
                told = self._told.get_nowait()
        except queue.Empty:
            return

    # -- in a thread of its own ---------------------------------------------------------------------------------

    def _serve(self, cluster: Cluster) -> None:
        try:
            asyncio.run(self._work(cluster))
        except BaseException as error:  # the thread that waits for events must hear of it
            self._told.put(error)

    async def _work(self, cluster: Cluster) -> None:
        """Do what is wanted until it fails or is to stop."""
        self._loop = asyncio.get_running_loop()
        working = asyncio.create_task(self._employ(cluster))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    async def _employ(self, cluster: Cluster) -> None:
        """Give out work until cancelled, or until the scheduler is gone and does not come back."""
        client = await _connected(cluster, _CONNECTS_WITHIN_S)
        try:
            self._dispatch = Dispatch(client, cluster, self._terms, self._told.put)
            try:
                while True:
                    try:
                        await self._dispatch.work()
                    except SchedulerGone as gone:
                        self._dispatch.retreat()
                        await _ended(client.close(_ENDS_WITHIN_S))
                        client = await self._back(cluster, gone)
                        self._dispatch.join(client)
            finally:
                await _ended(self._dispatch.disband())
        finally:
            await _ended(client.close(_ENDS_WITHIN_S))

    async def _back(self, cluster: Cluster, gone: SchedulerGone) -> Client:
        """Wait for a scheduler to come back, and return what is connected to it.

        Raises
        ------
        InputError
            Where it stays away.
        """
        wait_s, where = cluster.request.wait_s, f"the scheduler at {cluster.address}"
        ends_s = time.monotonic() + wait_s
        if wait_s > 0:
            self._told.put(f"{where} is gone ({gone}); it is waited for, for {duration_text(wait_s)} at most")
        while (left_s := ends_s - time.monotonic()) > 0:
            try:
                client = await _connected(cluster, min(left_s, _CONNECTS_WITHIN_S))
            except InputError:
                await asyncio.sleep(_POLL_S)
                continue
            self._told.put(f"{where} is back; what its workers were at is done again")
            return client
        raise InputError(
            f"{cluster.request.source}: {where} is gone ({gone}); "
            "finished cells are kept; give the same command to go on"
        ) from gone


async def _connected(cluster: Cluster, within_s: float) -> Client:
    """Return what is connected to a scheduler.

    Raises
    ------
    InputError
        Where none answers.
    """
    options = {"timeout": within_s, "security": cluster.security, "set_as_default": False}
    client = Client(cluster.address, asynchronous=True, **options)
    try:
        await client
    except Exception as error:  # whatever an address may lead to
        await _ended(client.close(_ENDS_WITHIN_S))
        raise InputError(
            f"{cluster.request.source}: no scheduler answers at {cluster.address} ({one_line(error)}); "
            "give the address that `dask scheduler` prints"
        ) from error
    return client


async def _ended(ending: Awaitable[None]) -> None:
    """Wait for an end, not for ever: a scheduler that is gone cannot be told."""
    with suppress(Exception):
        async with asyncio.timeout(_ENDS_WITHIN_S):
            await ending
