"""The workers of a run: which there are, what they are like, and which of them can be used."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ctpbench.errors import InputError
from ctpbench.running.executors import dask_worker
from ctpbench.running.executors.cluster import Cluster
from ctpbench.running.executors.dask_worker import Greeting
from ctpbench.running.executors.placing import Post
from ctpbench.running.executors.site import LEASE_S
from ctpbench.running.executors.station import Question, weaker
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import differences, identity
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.settings import Resources
from ctpbench.text import cut, one_line

_ANSWERS_WITHIN_S = 20.0
_PATIENCE_S = 5.0
_GPU = "GPU"

Key = tuple[str, str]
"""A worker's address and its folder: another one may come to the same address."""


class SchedulerGone(Exception):
    """The scheduler does not answer any more, or another one does."""


class Roster:
    """Knows the workers of one run.

    Parameters
    ----------
    client : distributed.Client
        An asynchronous one.
    cluster : Cluster
    terms : Terms
    say : callable(text)
        Hears what a person should know.
    left : callable(post)
        Hears of each worker that went away.
    """

    def __init__(
        self, client: Any, cluster: Cluster, terms: Terms, say: Callable[[str], None], left: Callable[[Post], None]
    ) -> None:
        self._client, self._cluster, self._terms, self._say, self._on_left = client, cluster, terms, say, left
        self.run = secrets.token_hex(8)
        """What the workers call this run."""
        self._token = secrets.token_hex(8)
        self._probe = (terms.folder / f"probe-{self.run}").resolve()
        self._probe.write_text(self._token)
        self._ours = identity(terms.wanted)
        self._greetings: dict[Key, asyncio.Task[None]] = {}
        self._refused: dict[Key, str] = {}
        self._posts: dict[Key, Post] = {}
        self._scheduler = ""  # which one it is; empty before it was seen
        self._weakest: Hold | None = None
        self._missed_s = self._renewed_s = time.monotonic()
        self._told = False
        self.hold: Hold | None = None
        """The weakest of the workers that were there when the run began; None before. Later ones hold no less."""
        self.gpu = terms.resources.device == "cuda"
        """Whether methods run on workers with a GPU alone."""

    @property
    def posts(self) -> list[Post]:
        """The workers that take work."""
        return list(self._posts.values())

    @property
    def slots(self) -> int:
        """How many batches all workers take, those included that may still be started."""
        places = [post.places for post in self._posts.values() if post.open]
        most = self._cluster.most_workers
        return sum(places) if most is None else max(sum(places), most * max(places, default=1))

    async def look(self) -> None:
        """See which workers there are, and ask new ones what they are like.

        Raises
        ------
        SchedulerGone
        """
        try:
            if self._client.status != "running":
                raise OSError("the connection was closed")
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                about = await self._client.scheduler.identity()
        except (OSError, TimeoutError) as error:
            raise SchedulerGone(one_line(error) or f"no answer in {_ANSWERS_WITHIN_S:g} s") from error
        if self._scheduler not in ("", about["id"]):
            raise SchedulerGone("another one came in its place")
        self._scheduler = about["id"]
        found = {(address, each["local_directory"]): each for address, each in about["workers"].items()}
        for key in self._posts.keys() - found.keys():
            self._on_left(self._posts.pop(key))
        for key in self._refused.keys() - found.keys():
            del self._refused[key]
        for key in self._greetings.keys() - found.keys():
            self._greetings.pop(key).cancel()
        for key, each in found.items():
            if key in self._posts:
                self._posts[key].open = each["status"] == "running" and not self._posts[key].barred
            elif key not in self._greetings and key not in self._refused and each["status"] == "running":
                self._greetings[key] = asyncio.create_task(self._greet(key, each))

    def join(self, client: Any) -> None:
        """Look at the workers of a scheduler that came back: whichever there were are forgotten."""
        for task in self._greetings.values():
            task.cancel()
        for known in (self._greetings, self._refused, self._posts):
            known.clear()
        self._client, self._scheduler = client, ""

    async def renew(self) -> None:
        """Let workers know now and then that this run is still there."""
        if time.monotonic() - self._renewed_s > LEASE_S / 4:
            self._renewed_s = time.monotonic()
            await self._tell_all(dask_worker.keep)

    def settle(self) -> None:
        """Note what the run's workers are like, once all have answered that are there at first.

        Raises
        ------
        InputError
            Where all that are there answered, and none can be used.
        """
        if self.hold is not None or self._greetings:
            return
        if self._posts:
            self.hold = self._weakest
            if self._terms.resources.device == "auto":
                self.gpu = any(post.gpus for post in self._posts.values())
            for line in self._refused.values():
                self._say(line)
        elif self._refused:
            *others, last = self._refused.values()
            raise InputError("\n".join([*others, f"{last}; no worker is left"]))

    def notice(self, *, waiting: bool, gpu: bool) -> None:
        """Say where there is work and, for a while, no worker for it; `gpu`: none with a GPU, which it wants."""
        able = any(post.open and (post.gpus or not gpu) for post in self._posts.values())
        if able or self._greetings or not waiting:
            self._missed_s, self._told = time.monotonic(), False
        elif not self._told and time.monotonic() - self._missed_s > _PATIENCE_S:
            self._told = True
            what = f"a worker with the resource {_GPU}" if gpu else "a worker"
            self._say(f"waiting for {what} at {self._cluster.address}; end with Ctrl-C, finished cells are kept")

    def refuse(self, post: Post, why: str) -> None:
        """Give a worker no more work, and say why, once."""
        if not post.barred:
            post.barred, post.open = True, False
            self._say(_left_out(post.address, post.host, why))

    async def farewell(self) -> None:
        """End what works for this run on all workers."""
        for task in self._greetings.values():
            task.cancel()
        self._probe.unlink(missing_ok=True)
        await self._tell_all(dask_worker.forget)

    async def _tell_all(self, function: Callable[[str], Awaitable[None]]) -> None:
        if addresses := [post.address for post in self._posts.values()]:
            await self._client.run(function, self.run, workers=addresses, on_error="ignore")

    async def _greet(self, key: Key, about: dict[str, Any]) -> None:
        """Ask a worker what it is like, and take it on where it is as this machine is."""
        question = Question(batch="greeting", wanted=self._terms.wanted, sandboxed=self._terms.sandboxed)
        probe = str(self._probe) if self._cluster.request.shared_disk else None
        given = (self.run, question.model_dump_json(), probe, self._token)
        host = str(about.get("host", ""))
        try:
            answers = await self._client.run(dask_worker.greet, *given, workers=[key[0]])
            greeting = Greeting.model_validate_json(answers[key[0]])
            host, why = greeting.facts.host, self._fault(greeting)
        except Exception as error:  # whatever it is that answers there
            why = f"it cannot say what it is like ({type(error).__name__}: {cut(one_line(error), 200)})"
        self._greetings.pop(key, None)
        if why:
            self._refused[key] = _left_out(key[0], host, why)
            if self.hold is not None:  # else it is said with the others, or why the run ends
                self._say(self._refused[key])
            return
        hold = greeting.facts.hold
        if self._weakest is None or weaker(hold.word, self._weakest.word):
            self._weakest = hold
        self._posts[key] = _post(key[0], greeting, about, self._terms.resources)

    def _fault(self, greeting: Greeting) -> str:
        """Return why a worker cannot be used, nothing where it can."""
        facts = greeting.facts
        if others := differences(facts.identity, self._ours):
            return f"it has {'; '.join(others)}; install the same on both"
        if self.hold is not None and weaker(facts.hold.word, self.hold.word):
            return f"its sandbox is {facts.hold.word}, that of the run's other workers {self.hold.word}"
        return ""


def _left_out(address: str, host: str, why: str) -> str:
    return f"worker {address} on {host} is left out: {why}"


def _post(address: str, greeting: Greeting, about: dict[str, Any], resources: Resources) -> Post:
    cores = int(about["nthreads"])
    threads = resources.threads or cores
    return Post(
        address=address,
        host=greeting.facts.host,
        hardware=greeting.facts.hardware,
        folder=greeting.folder,
        shared=greeting.shared,
        places=max(1, cores // threads),
        threads=threads,
        gpus=int(about.get("resources", {}).get(_GPU, 0)),
        until_s=None if greeting.left_s is None else time.monotonic() + greeting.left_s,
    )
