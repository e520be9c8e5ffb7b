"""Batches and workers that are none: who gets what, what is lost with a worker, who is left out, what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctpbench.errors import InputError
from ctpbench.running.executors import dask_worker, roster
from ctpbench.running.executors import dispatch as dispatching
from ctpbench.running.executors.answer import Answer
from ctpbench.running.executors.cluster import Cluster, Request
from ctpbench.running.executors.dask_worker import Commission, Greeting
from ctpbench.running.executors.dispatch import Dispatch, Over
from ctpbench.running.executors.protocol import Began, Ended, Returned
from ctpbench.running.executors.roster import SchedulerGone
from ctpbench.running.executors.station import Facts, Report
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import Wanted, identity
from ctpbench.running.messages import Done, Started
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment, ComponentSpec, DataTask, Item, ModelTask, Outcome, PredictionInfo
from ctpbench.settings import Resources
from tests.loops import finished

WANTED = Wanted(modules=(), libraries=("numpy",))
FULL = Hold(7, namespaces=True)
SPEC = ComponentSpec(module="m", qualname="Q", name="toy", version="1", params={}, code="c", libraries={})
CRASHED = Outcome(status="crashed", message="on purpose")


class Future:
    """What a worker may answer: `answered` ends it, `released` says whether anybody still waits."""

    def __init__(self, commission: str) -> None:
        self.asked = Commission.model_validate_json(commission)
        self.released = False
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def __await__(self):
        return self._answer.__await__()

    def release(self) -> None:
        self.released = True

    def answered(self, fate: str = "over", done: dict[str, Outcome] | None = None, **took_s: float) -> None:
        self._answer.set_result(Answer(fate=fate, done=done or {}, files=[], took_s=took_s).model_dump_json())

    def fails(self, error: Exception) -> None:
        self._answer.set_exception(error)

    @property
    def keys(self) -> list[str]:
        return [each.item.key for each in self.asked.order.assignments]


class Client:
    """A client of no scheduler: `workers` are those that there are, `futures` what each was given, by its name."""

    def __init__(self) -> None:
        self.status, self.id = "running", "Scheduler-1"
        self.workers: dict[str, dict] = {}
        self.greetings: dict[str, Greeting | Exception] = {}
        self.futures: dict[str, list[Future]] = {}
        self.calls: list[tuple[str, str]] = []
        self.hear: Callable[[tuple[float, str]], None] = lambda event: None
        self.scheduler = SimpleNamespace(identity=self._identity)

    def add(
        self,
        name: str,
        host: str = "",
        *,
        hold: Hold = FULL,
        threads: int = 1,
        gpus: int = 0,
        shared: bool = True,
        **other: str,
    ):
        resources = {"GPU": gpus} if gpus else {}
        about = {"local_directory": f"/{name}", "nthreads": threads, "status": "running", "resources": resources}
        self.workers[name] = {**about, "host": host or name}
        facts = Facts(host=host or name, hardware="a CPU", identity=identity(WANTED) | other, hold=hold)
        self.greetings[name] = Greeting(facts=facts, folder=Path(f"/{name}"), shared=shared, left_s=None)

    def told(self, name: str, message: Started | Done) -> None:
        """Let a worker tell of the batch that it was given last."""
        self.hear((0.0, Report(batch=self.futures[name][-1].asked.order.batch, message=message).model_dump_json()))

    async def _identity(self) -> dict:
        return {"id": self.id, "workers": dict(self.workers)}

    def subscribe_topic(self, topic: str, handler: Callable) -> None:
        self.hear = handler

    async def run(self, function: Callable, *arguments: object, workers: list[str], on_error: str = "raise") -> dict:
        self.calls += [(function.__name__, worker) for worker in workers]
        if function is not dask_worker.greet:
            return dict.fromkeys(workers, b"")
        greeting = self.greetings[workers[0]]
        if isinstance(greeting, Exception):
            raise greeting
        return {workers[0]: greeting.model_dump_json()}

    def submit(self, function: Callable, commission: str, *, workers: list[str], **options: object) -> Future:
        assert options["allow_other_workers"] is False
        future = Future(commission)
        self.futures.setdefault(workers[0], []).append(future)
        return future


class Scene:
    """A dispatch at work on the workers of a `Client`, and all that it told."""

    def __init__(
        self, folder: Path, client: Client, *, serial: bool = False, request: Request | None = None, **resources
    ):
        terms = Terms(Resources(**{"device": "cpu", **resources}), True, serial, WANTED, folder)
        self.folder, self.client, self.told = folder, client, []
        self.dispatch = Dispatch(
            client, Cluster(request or Request("--scheduler x", "tcp://x")), terms, self.told.append
        )
        self.names = iter("abcdefgh")

    async def __aenter__(self):
        self.working = asyncio.create_task(self.dispatch.work())
        await self.until(
            lambda: self.working.done() or self.dispatch.roster.hold is not None or not self.client.workers
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.working.cancel()
        await asyncio.gather(self.working, return_exceptions=True)
        await self.dispatch.disband()

    async def failed(self, kind: type[Exception] = InputError) -> str:
        with pytest.raises(kind) as error:
            await asyncio.wait_for(self.working, 5)
        return str(error.value)

    async def rejoin(self, client: Client) -> None:
        """Do what is done where a scheduler comes back, with other workers."""
        self.dispatch.retreat()
        self.client = client
        self.dispatch.join(client)
        self.working = asyncio.create_task(self.dispatch.work())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    def take(self, *keys: str, alone: bool = False, gpu: bool = False) -> None:
        model = ModelTask(denoiser=SPEC, cases=(), seed=0, data="d", learns_from="noisy")
        task = model if gpu else DataTask(dataset=SPEC, case="a", noise=1.0)
        places = {name: self.folder / name for name in ("out", "scratch", "checkpoints", "log")}
        items = [Item(key=key, task=task, label=key, alone=alone) for key in keys]
        self.dispatch.take(next(self.names), [Assignment(item=item, inputs={}, **places) for item in items])

    def at(self, name: str) -> list[list[str]]:
        """What a worker was given."""
        return [future.keys for future in self.client.futures.get(name, [])]

    @property
    def events(self) -> list[tuple[type, str]]:
        told = [each for each in self.told if isinstance(each, Began | Ended | Returned)]
        return [(type(each), each.assignment.item.key) for each in told]

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {each.assignment.item.key: each.outcome for each in self.told if isinstance(each, Ended)}

    @property
    def said(self) -> list[str]:
        return [each for each in self.told if isinstance(each, str)]


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Play what happens in a scene whose dispatch looks for workers all the time."""
    monkeypatch.setattr(dispatching, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(roster, "_PATIENCE_S", 0.05)

    def play(story, *, workers=(), serial=False, request=None, **resources):
        async def tell():
            client = Client()
            for name, about in dict(workers).items():
                client.add(name, **about)
            async with Scene(tmp_path, client, serial=serial, request=request, **resources) as scene:
                await story(scene, client)

        finished(tell())

    return play


def test_what_a_worker_is_lost_with_three_times_fails(scene):
    async def story(scene, client):
        for number in range(3):
            name = f"w{number}"
            scene.take("killer", "later")
            await scene.until(lambda name=name: scene.at(name))
            client.told(name, Started(key="killer"))
            client.add(f"w{number + 1}")
            del client.workers[name]
            await scene.until(lambda n=number: sum(isinstance(each, Over) for each in scene.told) == n + 1)
        outcome = scene.outcomes["killer"]
        assert outcome.status == "crashed"
        assert outcome.message.startswith(
            "its worker went away 3 times, on w0, w1, w2; it is not tried again (the last: "
        )
        assert scene.events.count((Returned, "killer")) == 2
        assert scene.events.count((Returned, "later")) == 3
        assert len(scene.said) == 2
        assert scene.said[0] == "worker w0 on w0 was lost (it went away); killer is tried again"

    scene(story, workers={"w0": {}})


def test_what_failed_before_its_worker_was_lost_is_not_done_again(scene):
    async def story(scene, client):
        scene.take("first", "second", "third")
        await scene.until(lambda: scene.at("w0"))
        client.told("w0", Started(key="first"))
        client.told("w0", Done(key="first", outcome=CRASHED))
        client.told("w0", Started(key="second"))
        del client.workers["w0"]
        await scene.until(lambda: any(isinstance(each, Over) for each in scene.told))
        assert scene.outcomes == {"first": CRASHED}
        assert scene.events[-2:] == [(Returned, "second"), (Returned, "third")]
        assert "second is tried again" in scene.said[0]

    scene(story, workers={"w0": {}})


def test_a_worker_whose_time_is_over_gets_nothing_more_and_nobody_is_blamed(scene):
    async def story(scene, client):
        for number in range(4):
            name = f"w{number}"
            scene.take("a")
            await scene.until(lambda name=name: scene.at(name) == [["a"]])
            client.add(f"w{number + 1}")
            client.futures[name][0].answered("time")
            await scene.until(lambda n=number: scene.events.count((Returned, "a")) == n + 1)
        assert not scene.outcomes
        assert scene.said[0] == "the time of worker w0 on w0 is over; what it was at goes to another"

    scene(story, workers={"w0": {}})


def test_a_worker_whose_disk_is_full_gets_nothing_more_and_what_it_is_at_is_not_forgotten(scene):
    async def story(scene, client):
        scene.take("a")
        scene.take("b")
        await scene.until(lambda: len(scene.at("w0")) == 2)
        full = Outcome(status="error", message="No space left on device", disk_full=True)
        client.futures["w0"][0].answered(done={"a": full})
        await scene.until(lambda: (Returned, "a") in scene.events)
        assert scene.said == ["worker w0 on w0 is left out: its disk is full"]
        assert scene.dispatch.roster.slots == 0
        del client.workers["w0"]
        await scene.until(lambda: (Returned, "b") in scene.events)
        assert not scene.outcomes

    scene(story, workers={"w0": {"threads": 2, "shared": False}}, threads=1)


def test_work_goes_elsewhere_after_a_loss_where_there_is_another(scene):
    async def story(scene, client):
        scene.take("a")
        await scene.until(lambda: scene.at("w0") or scene.at("w1"))
        first, other = ("w0", "w1") if scene.at("w0") else ("w1", "w0")
        client.futures[first][0].answered("gone")
        await scene.until(lambda: (Returned, "a") in scene.events)
        scene.take("a")
        await scene.until(lambda: scene.at(other) == [["a"]])

    scene(story, workers={"w0": {}, "w1": {}})


def test_work_that_is_timed_has_its_machine_for_itself_and_predictions_say_what_ran_beside_them(scene):
    async def story(scene, client):
        scene.take("a")
        await scene.until(lambda: scene.at("w0") or scene.at("w1"))
        scene.take("timed", alone=True)
        scene.take("b")
        await asyncio.sleep(0.05)
        assert len(client.futures) == 1  # one waits for the machine to be empty, the other for it to be done
        client.futures[next(iter(client.futures))][0].answered(done={"a": CRASHED})
        await scene.until(lambda: ["timed"] in scene.at("w0") + scene.at("w1"))
        await asyncio.sleep(0.05)
        assert ["b"] not in scene.at("w0") + scene.at("w1")
        at = "w0" if ["timed"] in scene.at("w0") else "w1"
        client.futures[at][-1].answered(done={"timed": _predicted()})
        await scene.until(lambda: ["b"] in scene.at("w0") + scene.at("w1"))
        assert scene.outcomes["timed"].info.contended is False

    scene(story, workers={"w0": {"host": "h"}, "w1": {"host": "h"}}, serial=True)


def test_predictions_that_ran_side_by_side_on_one_machine_say_so(scene):
    async def story(scene, client):
        for name in ("a", "b", "c"):
            scene.take(name)
        await scene.until(lambda: sum(map(len, client.futures.values())) == 3)
        for futures in client.futures.values():
            futures[0].answered(done={futures[0].keys[0]: _predicted()})
        await scene.until(lambda: len(scene.outcomes) == 3)
        alone = client.futures["w2"][0].keys[0]
        assert {key: each.info.contended for key, each in scene.outcomes.items()} == {
            key: key != alone for key in ("a", "b", "c")
        }

    scene(story, workers={"w0": {"host": "h"}, "w1": {"host": "h"}, "w2": {}})


def test_methods_go_to_the_worker_with_the_resource_and_the_rest_spares_it(scene):
    async def story(scene, client):
        scene.take("case")
        scene.take("fit", gpu=True)
        scene.take("fit2", gpu=True)
        await scene.until(lambda: scene.at("cpu") and scene.at("gpu"))
        assert scene.at("cpu") == [["case"]]
        limits = {name: client.futures[name][0].asked.order.limits for name in ("cpu", "gpu")}
        assert {name: each.device for name, each in limits.items()} == {"cpu": "cpu", "gpu": "cuda"}
        del client.workers["gpu"]
        await scene.until(lambda: "waiting for a worker with the resource GPU" in "".join(scene.said))

    scene(story, workers={"cpu": {}, "gpu": {"gpus": 1}}, device="cuda")


@pytest.mark.parametrize(("gpus", "device"), [(1, "cuda"), (0, "cpu")])
def test_auto_means_the_gpu_where_a_worker_has_one(gpus, device, scene):
    async def story(scene, client):
        scene.take("fit", gpu=True)
        await scene.until(lambda: scene.at("w0"))
        assert client.futures["w0"][0].asked.order.limits.device == device

    scene(story, workers={"w0": {"gpus": gpus}}, device="auto")


def test_threads_of_a_cell_divide_a_worker_into_places(scene):
    async def story(scene, client):
        assert scene.dispatch.roster.slots == 4
        assert {post.threads for post in scene.dispatch.roster.posts} == {2}
        del client.workers["w1"]
        await scene.until(lambda: scene.dispatch.roster.slots == 3)

    scene(story, workers={"w0": {"threads": 7}, "w1": {"threads": 1}}, threads=2)


def test_workers_that_differ_are_left_out_by_name_and_where_none_is_left_the_run_ends(scene):
    async def story(scene, client):
        assert await scene.failed() == (
            "worker w0 on node7 is left out: it has ctpbench 0.0.9 (code 12345678), here "
            f"{identity(WANTED)['ctpbench']}; numpy 1.0, here {identity(WANTED)['numpy']}; install the same on both; "
            "no worker is left"
        )

    other = {"ctpbench": "0.0.9 (code 12345678)", "numpy": "1.0"}
    scene(story, workers={"w0": {"host": "node7", **other}})


def test_a_worker_that_differs_from_the_first_on_is_named_once_where_others_are_there(scene):
    async def story(scene, client):
        await scene.until(lambda: scene.said)
        assert [line.partition(":")[0] for line in scene.said] == ["worker w1 on w1 is left out"]

    scene(story, workers={"w0": {}, "w1": {"numpy": "1.0"}})


def test_a_worker_that_cannot_say_what_it_is_like_is_left_out(scene):
    async def story(scene, client):
        client.add("w1", host="node8")
        client.greetings["w1"] = ModuleNotFoundError("No module named 'ctpbench'")
        await scene.until(lambda: scene.said)
        assert scene.said == [
            "worker w1 on node8 is left out: it cannot say what it is like "
            "(ModuleNotFoundError: No module named 'ctpbench')"
        ]

    scene(story, workers={"w0": {}})


def test_a_later_worker_holds_methods_no_less_than_the_run_says(scene):
    async def story(scene, client):
        assert scene.dispatch.roster.hold == FULL
        client.add("w1", hold=Hold(0, namespaces=True))
        await scene.until(lambda: scene.said)
        assert "w1 is left out: its sandbox is partial, that of the run's other workers full" in scene.said[0]

    scene(story, workers={"w0": {}})


def test_the_weakest_sandbox_counts_of_those_that_are_there_at_first(scene):
    async def story(scene, client):
        assert scene.dispatch.roster.hold == Hold(3, namespaces=False)

    scene(story, workers={"w0": {}, "w1": {"hold": Hold(3, namespaces=False)}})


def test_where_no_worker_is_there_it_is_said_once(scene):
    async def story(scene, client):
        await scene.until(lambda: scene.said)
        await asyncio.sleep(0.1)
        assert scene.said == ["waiting for a worker at tcp://x; end with Ctrl-C, finished cells are kept"]

    scene(story)


def test_what_a_scheduler_takes_with_it_is_given_back_and_sent_again_and_nobody_is_blamed(scene):
    async def story(scene, client):
        for _ in range(4):  # more often than a worker may be lost
            scene.take("failed", "lost")
            await scene.until(lambda: scene.at("w0"))
            client.told("w0", Started(key="failed"))
            client.told("w0", Done(key="failed", outcome=CRASHED))
            client.status = "connecting"
            client.futures["w0"][0].fails(OSError("cancelled"))
            assert await scene.failed(SchedulerGone) == "the connection was closed"
            client = Client()
            client.id = "Scheduler-2"
            client.add("w0")
            await scene.rejoin(client)
            assert scene.events == [(Began, "failed"), (Ended, "failed"), (Returned, "lost")]
            scene.told.clear()
        scene.take("lost")
        await scene.until(lambda: scene.at("w0"))
        client.futures["w0"][0].answered(done={"lost": Outcome(status="ok")})
        await scene.until(lambda: scene.outcomes)
        assert scene.outcomes["lost"].ok
        assert scene.said == []

    scene(story, workers={"w0": {}})


def test_another_scheduler_at_the_address_is_told_from_the_one_that_was_there(scene):
    async def story(scene, client):
        client.id = "Scheduler-2"
        assert await scene.failed(SchedulerGone) == "another one came in its place"

    scene(story, workers={"w0": {}})


async def _once_known_to_take(seconds: float, scene, client) -> None:
    """Let a first item have taken so long, and a second one be at work: what is taken then waits."""
    scene.take("known")
    await scene.until(lambda: scene.at("w0"))
    client.futures["w0"][-1].answered(done={"known": Outcome(status="ok")}, known=seconds)
    await scene.until(lambda: scene.outcomes)
    scene.take("first")
    await scene.until(lambda: scene.at("w0")[-1] == ["first"])


@pytest.mark.parametrize(
    ("seconds", "tasks"),
    [(0.001, [["a", "b", "c", "d"]]), (0.04, [["a", "b"], ["c", "d"]]), (0.2, [["a"], ["b"], ["c"], ["d"]])],
)
def test_short_items_go_together_as_many_as_make_a_task(seconds, tasks, scene):
    async def story(scene, client):
        await _once_known_to_take(seconds, scene, client)
        for key in "abcd":
            scene.take(key)
        for _ in range(len(tasks) + 1):
            asked, count = client.futures["w0"][-1], len(scene.at("w0"))
            asked.answered(done={key: Outcome(status="ok") for key in asked.keys}, **dict.fromkeys(asked.keys, seconds))
            await scene.until(lambda n=count: len(scene.at("w0")) > n or len(scene.outcomes) == 6)
        assert scene.at("w0")[2:] == tasks
        assert [future.asked.apart for future in client.futures["w0"][2:]] == [len(each) > 1 for each in tasks]
        assert [each.seconds for each in scene.told if isinstance(each, Ended)] == [seconds] * 6
        assert sum(each.batches for each in scene.told if isinstance(each, Over)) == 6

    scene(story, workers={"w0": {}})


def test_what_is_timed_alone_and_what_shares_a_process_goes_in_no_bundle(scene):
    async def story(scene, client):
        await _once_known_to_take(0.001, scene, client)
        scene.take("a")
        scene.take("timed", alone=True)
        scene.take("b", "c")
        scene.take("d")
        for _ in range(4):
            asked, count = client.futures["w0"][-1], len(scene.at("w0"))
            asked.answered(done=dict.fromkeys(asked.keys, CRASHED))
            await scene.until(lambda n=count: len(scene.at("w0")) > n or len(scene.outcomes) == 7)
        assert scene.at("w0")[2:] == [["a", "d"], ["timed"], ["b", "c"]]

    scene(story, workers={"w0": {}}, serial=True)


def test_a_bundle_that_a_worker_is_lost_with_is_given_back_and_each_of_it_tried_alone(scene):
    async def story(scene, client):
        await _once_known_to_take(0.001, scene, client)
        for key in "abc":
            scene.take(key)
        client.futures["w0"][-1].answered(done={"first": CRASHED})
        await scene.until(lambda: scene.at("w0")[-1] == ["a", "b", "c"])
        client.futures["w0"][-1].answered("gone", done={"a": CRASHED})
        await scene.until(lambda: (Returned, "c") in scene.events)
        assert scene.outcomes["a"] == CRASHED
        assert scene.said == ["worker w0 on w0 was lost (its process there ended); 2 items are tried again, each alone"]
        for key in "bcd":
            scene.take(key)
        for turn in range(3):
            await scene.until(lambda n=turn: len(scene.at("w0")) == 4 + n)
            asked = client.futures["w0"][-1]
            asked.answered(done=dict.fromkeys(asked.keys, CRASHED), **dict.fromkeys(asked.keys, 0.001))
        assert scene.at("w0")[3:] == [["b"], ["c"], ["d"]]

    scene(story, workers={"w0": {}})


def test_of_a_bundle_what_was_begun_is_blamed_and_tried_alone(scene):
    async def story(scene, client):
        await _once_known_to_take(0.001, scene, client)
        for key in "ab":
            scene.take(key)
        client.futures["w0"][-1].answered(done={"first": CRASHED})
        await scene.until(lambda: scene.at("w0")[-1] == ["a", "b"])
        client.told("w0", Started(key="b"))
        client.futures["w0"][-1].answered("gone")
        await scene.until(lambda: (Returned, "b") in scene.events)
        assert scene.said == ["worker w0 on w0 was lost (its process there ended); b is tried again"]
        for key in ("a", "b", "c"):
            scene.take(key)
        await scene.until(lambda: len(scene.at("w0")) == 4)
        assert scene.at("w0")[3] == ["a", "c"]

    scene(story, workers={"w0": {}})


def _predicted() -> Outcome:
    numbers = {name: [] for name in ("denoise_s", "own_denoise_s", "maps_s")}
    facts = {"peak_memory_mib": 1.0, "peak_device_memory_mib": None, "device": "cpu", "threads": 1, "hardware": "a CPU"}
    return Outcome(status="ok", info=PredictionInfo(**numbers, **facts, diagnostics={}, versions={}))


@pytest.mark.parametrize("turns", range(8))
def test_it_ends_when_told_to_whatever_it_is_just_told_besides(scene, turns):
    """`asyncio.wait_for` of Python 3.11 forgets that it is cancelled where what it waits for is over just then."""

    async def story(scene, client):
        await asyncio.sleep(0.02)
        scene.take("data")
        for _ in range(turns):
            await asyncio.sleep(0)
        scene.working.cancel()
        await asyncio.wait({scene.working}, timeout=1)
        assert scene.working.cancelled()

    scene(story)
