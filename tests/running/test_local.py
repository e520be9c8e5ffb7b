"""Children on this machine: what they send, what they send wrongly, and what becomes of those that end early."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ctpbench.device import cuda_cards
from ctpbench.running import messages, processes, worker
from ctpbench.running.executors.local import LocalExecutor, _Child
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Limits, Returned, Workers
from ctpbench.running.work import Assignment, ComponentSpec, DataInfo, DataTask, Item

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a rogue finds its pipe in /proc")


@pytest.fixture
def assigned(tmp_path):
    """Return an assignment that loads a case of the rogue dataset."""
    from rogues import Rogue

    def assign(how: str) -> Assignment:
        spec = ComponentSpec.of(Rogue(how=how, file=tmp_path / "trap"))
        item = Item(key=f"rogue-{how}", task=DataTask(dataset=spec, case="test/0", noise=1.0))
        places = {name: tmp_path / how / name for name in ("out", "scratch", "checkpoints")}
        for place in places.values():
            place.mkdir(parents=True)
        return Assignment(item=item, inputs={}, log=tmp_path / f"{how}.log", **places)

    return assign


def run(*batch: Assignment, timeout_s: float = 60, **limits: float) -> list[object]:
    """Return all that happens to a batch."""
    events: list[object] = []
    executor: Workers = LocalExecutor(Limits(timeout_s=timeout_s, **limits))
    with executor:
        executor.submit(batch)
        assert executor.running == 1
        while executor.running:
            events += executor.events()
    return events


def ends(events: list[object]) -> dict[str, str]:
    return {event.assignment.item.key: event.outcome.status for event in events if isinstance(event, Ended)}


def test_a_batch_is_worked_on_in_order(assigned):
    first = assigned("well")
    second = first.model_copy(update={"item": first.item.model_copy(update={"key": "again"})})
    events = run(first, second)
    kinds = [(type(event), event.assignment.item.key) for event in events if not isinstance(event, Advanced)]
    assert kinds == [(Began, "rogue-well"), (Ended, "rogue-well"), (Began, "again"), (Ended, "again")]
    assert [event.outcome.info for event in events if isinstance(event, Ended)] == [DataInfo(), DataInfo()]
    assert (first.out / "observation.npz").exists()


@pytest.mark.parametrize("how", ["garbage", "object", "early", "other", "wrong", "huge"])
def test_what_is_no_message_ends_its_item_alone(how, assigned, tmp_path):
    events = run(assigned(how), assigned("well"))
    assert ends(events) == {f"rogue-{how}": "error", "rogue-well": "ok"}
    message = next(event.outcome.message for event in events if isinstance(event, Ended))
    assert message.startswith("its process sent what is no message of the harness: ")
    assert len(message) < 1100
    assert not (tmp_path / "trap").exists()


def test_an_item_ends_once(assigned):
    """The component ended its own item; what its process says of that later is nobody else's fault."""
    events = run(assigned("doubled"), assigned("well"))
    assert ends(events) == {"rogue-doubled": "error", "rogue-well": "ok"}
    assert [event.outcome.message for event in events if isinstance(event, Ended)] == ["mine", ""]


def test_a_child_that_ends_early_ends_its_item_alone(assigned):
    events = run(assigned("exit"), assigned("well"))
    assert ends(events) == {"rogue-exit": "crashed", "rogue-well": "ok"}
    assert "code 3" in next(event.outcome.message for event in events if isinstance(event, Ended))


@pytest.mark.parametrize(
    ("how", "limits", "status"),
    [
        ("sleep", {"timeout_s": 1}, "timeout"),
        ("burn", {"cpu_s": 0.5}, "timeout"),
        ("eat", {"memory_gib": 0.4}, "out_of_memory"),
    ],
    ids=["time", "processor", "memory"],
)
def test_what_takes_more_than_it_may_is_ended_alone_and_the_rest_comes_back(how, limits, status, assigned):
    events = run(assigned(how), assigned("well"), **limits)
    assert ends(events) == {f"rogue-{how}": status}
    assert [event.assignment.item.key for event in events if isinstance(event, Returned)] == ["rogue-well"]
    (name,) = limits
    assert f"resources.{name} = {limits[name]}" in next(e.outcome.message for e in events if isinstance(e, Ended))


def test_time_spent_asleep_is_no_processor_time(assigned):
    events = run(assigned("sleep"), assigned("well"), cpu_s=5, timeout_s=0.5)
    assert "resources.timeout_s = 0.5" in next(e.outcome.message for e in events if isinstance(e, Ended))


def test_what_a_component_started_ends_with_the_executor(assigned, tmp_path):
    started = tmp_path / "trap"
    with LocalExecutor(Limits()) as executor:
        executor.submit([assigned("fork")])
        (child,) = executor._children
        worker = psutil.Process(child.process.pid)
        while not (started.exists() and started.read_text()):
            list(executor.events())
        running = worker.children(recursive=True)
        # Those that make chambers, two, the porter, the guest, what that started, and what holds its chamber open;
        # another guest may wait for its turn in another chamber.
        assert len(running) in (6, 7, 8)
    _, alive = psutil.wait_procs(running, timeout=5)
    assert not alive


@pytest.mark.parametrize("threads", [1, 2])
def test_a_guest_that_waits_warms_up_where_a_processor_idles_meanwhile(assigned, threads):
    with LocalExecutor(Limits(threads=threads)) as executor:
        executor.submit([assigned("well")])
        (child,) = executor._children
        while executor.running:
            list(executor.events())
        (copied,) = {settled(guest) for guest in waiting(psutil.Process(child.process.pid))}
    assert (copied > 1200) == (threads > 1), copied


def waiting(worker: psutil.Process) -> list[psutil.Process]:
    """Return the guest that waits once the last one has gone; none where the system lets nobody make namespaces."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        forked = [each for each in worker.children() if each.cmdline() == worker.cmdline()]  # the porter
        guests = [guest for porter in forked for guest in porter.children()]
        if len(guests) == 1:
            return guests
        time.sleep(0.05)
    pytest.skip("this system lets nobody make namespaces")


def settled(process: psutil.Process) -> int:
    """Return how many pages a process has had to copy or to be given, once it asks for no more."""
    before, now = -1, 0
    while before != now:
        time.sleep(0.3)
        before, now = now, int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[7])
    return now


def test_nothing_runs_on_once_the_executor_is_closed(assigned):
    with LocalExecutor(Limits()) as executor:
        executor.submit([assigned("well")])
        (child,) = executor._children
        worker = psutil.Process(child.process.pid)
        executor.close()
        assert executor.running == 0
        assert not worker.is_running()


def batches(executor: LocalExecutor, *given: Assignment) -> list[object]:
    """Have batches of one done, one after the other; return what happened."""
    events: list[object] = []
    for assignment in given:
        executor.submit([assignment])
        while executor.running:
            events += executor.events()
    return events


def test_a_process_is_used_again_and_one_that_was_killed_is_not(assigned):
    with LocalExecutor(Limits(timeout_s=2)) as executor:
        first, second = assigned("well"), assigned("exit")
        assert ends(batches(executor, first, second)) == {"rogue-well": "ok", "rogue-exit": "crashed"}
        (child,) = executor._children
        assert child.batches == 2
        assert ends(batches(executor, assigned("sleep"))) == {"rogue-sleep": "timeout"}
        assert executor._children == []


def test_a_process_that_ends_while_it_waits_takes_no_item_with_it(assigned):
    with LocalExecutor(Limits()) as executor:
        batches(executor, assigned("well"))
        (child,) = executor._children
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.join()
        given = assigned("garbage")
        assert batches(executor, given) == [Returned(given)]
        assert ends(batches(executor, given)) == {"rogue-garbage": "error"}


def test_what_has_no_limits_is_not_looked_at(assigned, monkeypatch):
    monkeypatch.setattr(processes, "started_by", lambda process: pytest.fail("looked"))
    with LocalExecutor(Limits(timeout_s=60)) as executor:
        assert ends(batches(executor, assigned("well"))) == {"rogue-well": "ok"}


def test_limits_are_looked_at_less_often_the_longer_an_item_lasts():
    executor = LocalExecutor(Limits(memory_gib=1, timeout_s=100))
    now = time.monotonic()
    waits = [executor._next_look(_Child(None, None, None, since=now - lasted)) - now for lasted in (0, 0.4, 9, 99.9)]
    assert waits == pytest.approx([0.02, 0.1, 0.25, 0.1], abs=0.01)
    assert LocalExecutor(Limits())._next_look(_Child(None, None, None, since=now)) == math.inf


@pytest.mark.parametrize(
    ("grown", "apart", "more"),
    [(2**40, True, True), (-(2**40), True, False), (2**40, False, False)],
    ids=["as before", "grown", "nobody knows what was left running"],
)
def test_a_process_that_a_batch_left_something_in_is_given_no_more(grown, apart, more, assigned, monkeypatch):
    said = ["started", "done", *["idle"] * more]
    monkeypatch.setattr(worker, "_GROWN_BYTES", grown)
    monkeypatch.setattr(worker.Porter, "leaves_nothing", property(lambda self: apart, lambda self, value: None), False)
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=worker.main, args=(theirs, "cpu", 1))
    process.start()
    theirs.close()
    messages.send_order(mine.fileno(), messages.Batch(assignments=[assigned("well")]))
    heard, mailbox = [], messages.Mailbox(mine.fileno())
    while len(heard) < len(said) or not (more or mailbox.closed):
        multiprocessing.connection.wait([mine], 10)
        heard += [message.event for message in mailbox.messages()]
    if more:
        process.kill()  # it waits for them
    process.join()
    mine.close()
    assert (heard, process.exitcode) == (said, -signal.SIGKILL if more else 0)


def test_what_a_child_may_use_is_what_the_suite_says(tmp_path: Path):
    from ctpbench.settings import Resources

    assert Limits.of(Resources(threads=3, memory_gib=2, timeout_s=9), "cpu", 2) == Limits("cpu", 3, 2, 9)
    assert Limits.of(Resources(), "cpu", 10_000).threads == 1


def test_of_several_gpus_each_process_sees_the_one_that_is_least_used(assigned, monkeypatch):
    """Those that the runner itself may use."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-2e5")
    seen = []
    monkeypatch.setattr(
        "ctpbench.running.messages.send_order", lambda to, order: seen.append(order.environment["CUDA_VISIBLE_DEVICES"])
    )
    executor = LocalExecutor(Limits(device="cuda"))
    with executor:
        for how in ("well", "exit", "sleep"):
            executor.submit([assigned(how)])
        executor._children.pop(1).process.kill()
        executor.submit([assigned("burn")])
    assert seen == ["5", "GPU-2e5", "5", "GPU-2e5"]


@pytest.mark.parametrize(("cards", "device"), [("5", "cuda"), ("", "cuda"), ("0,1", "cpu")])
def test_where_there_is_no_choice_of_gpus_processes_are_told_nothing(assigned, monkeypatch, cards, device):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", cards)
    seen = []
    monkeypatch.setattr(
        "ctpbench.running.messages.send_order", lambda to, order: seen.append(order.environment["CUDA_VISIBLE_DEVICES"])
    )
    with LocalExecutor(Limits(device=device)) as executor:
        executor.submit([assigned("well")])
    assert seen == [cards]


def test_gpus_are_those_that_the_driver_lists_where_none_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("ctpbench.device._CARDS", tmp_path)
    assert cuda_cards() == ()
    for name in ("0000:00:06.0", "0000:00:07.0"):
        (tmp_path / name).mkdir()
    assert cuda_cards() == ("0", "1")


@pytest.mark.parametrize(("held", "own", "status"), [(0.3, 0.3, None), (0.6, 0.1, None), (0.6, 0.5, "out_of_memory")])
def test_memory_that_processes_share_counts_once(held, own, status, monkeypatch):
    """What a method's process was forked with it shares with all others, and with those that it forks."""
    monkeypatch.setattr(processes, "started_by", lambda worker: [[2], [3]])
    monkeypatch.setattr(processes, "resident_bytes", lambda process: int(held * 2**30))
    monkeypatch.setattr(processes, "proportional_bytes", lambda process: int(own * 2**30))
    with LocalExecutor(Limits(memory_gib=0.9)) as executor:
        found = executor._breach(SimpleNamespace(process=SimpleNamespace(pid=1), since=0.0))
    assert (found and found.status) == status
    assert found is None or found.message == "used 1.00 GiB, more than resources.memory_gib = 0.9"
