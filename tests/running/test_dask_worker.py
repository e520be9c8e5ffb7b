"""What a task in a Dask worker does while a station works for it: when it ends, what it drops, what it leaves."""

from __future__ import annotations

import json
import queue
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ctpbench.running.executors import dask_worker, site
from ctpbench.running.executors.answer import Answer
from ctpbench.running.executors.dask_worker import Commission
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.executors.station import Order, Report
from ctpbench.running.messages import Done, Progressed, Started
from ctpbench.running.work import Assignment, ComponentSpec, Item, ModelInfo, ModelTask, Outcome
from tests.loops import finished

SPEC = ComponentSpec(module="m", qualname="Q", name="toy", version="1", params={}, code="c", libraries={})
TASK = ModelTask(denoiser=SPEC, cases=(), seed=0, data="d", learns_from="noisy")


class Station:
    """Says what it is given; notes what is dropped."""

    def __init__(self) -> None:
        self.said: list[Report | None] = []
        self.dropped: list[str] = []
        self.ended = self.closed = False

    def ask(self, word):
        reports = queue.SimpleQueue()
        for report in self.said:
            reports.put(report)
        return reports

    def drop(self, batch: str) -> None:
        self.dropped.append(batch)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def station(monkeypatch) -> Station:
    station = Station()
    monkeypatch.setattr(site, "Station", lambda folder: station)
    monkeypatch.setattr(site, "_SITES", {})
    monkeypatch.setattr(dask_worker, "_POLL_S", 0.02)
    return station


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker that is at a task of the key "k"; `told` is what it logged."""
    told: list[str] = []
    worker = SimpleNamespace(
        lifetime=None,
        local_directory=str(tmp_path / "local"),
        state=SimpleNamespace(tasks={"k": SimpleNamespace(state="executing")}),
        status=SimpleNamespace(name="running"),
        get_current_task=lambda: "k",
        log_event=lambda topic, message: told.append(message),
        told=told,
    )
    monkeypatch.setattr(dask_worker, "get_worker", lambda: worker)
    return worker


@pytest.fixture
def commission(tmp_path) -> Commission:
    own = tmp_path / "work"
    places = {name: own / "0" / name for name in ("out", "scratch", "checkpoints", "log")}
    assignments = [Assignment(item=Item(key="i", task=TASK), inputs={}, **places)]
    (own / "0/checkpoints").mkdir(parents=True)
    (own / "0/checkpoints/epoch").write_text("7")
    order = Order(batch="b", assignments=assignments, limits=Limits())
    return Commission(run="r", topic="t", order=order, folder=own)


def answer(commission: Commission) -> Answer:
    return Answer.model_validate_json(dask_worker.work(commission.model_dump_json()))


def report(message) -> Report:
    return Report(batch="b", message=message)


def fitted() -> Outcome:
    facts = {"peak_memory_mib": 1.0, "peak_device_memory_mib": None, "device": "cpu", "threads": 1, "hardware": "a CPU"}
    return Outcome(status="ok", info=ModelInfo(**facts, fit_s=1.0, fit_resumed=False, learning=None))


def test_what_was_done_is_listed_with_its_files(station, worker, commission):
    outcome = fitted()
    (commission.folder / "0/out/sub").mkdir(parents=True)
    (commission.folder / "0/out/sub/weights").write_bytes(b"123")
    (commission.folder / "0/out/link").symlink_to("/etc/passwd")
    (commission.folder / "0/log").write_text("printed")
    station.said = [report(Started(key="i")), report(Done(key="i", outcome=outcome)), Report(batch="b", over=True)]
    found = answer(commission)
    assert (found.fate, found.done) == ("over", {"i": outcome})
    assert found.files == [("0/out/sub/weights", 3), ("0/log", 7)]
    assert worker.told == []  # it was over before it was worth a word


def test_that_an_item_began_is_told_where_it_takes_a_while(station, worker, commission, monkeypatch):
    monkeypatch.setattr(dask_worker, "_WORTH_A_WORD_S", 0.0)
    station.said = [report(Started(key="i")), report(Done(key="i", outcome=fitted())), Report(batch="b", over=True)]
    answer(commission)
    assert [json.loads(each)["message"]["event"] for each in worker.told] == ["started"]


def test_failures_are_told_at_once_and_progress_not_too_often(station, worker, commission):
    crashed = Outcome(status="crashed", message="on purpose")
    steps = [report(Progressed(key="i", fraction=n / 100, text="")) for n in range(100)]
    station.said = [*steps, report(Done(key="i", outcome=crashed)), Report(batch="b", over=True)]
    assert answer(commission).done == {"i": crashed}
    events = [json.loads(each)["message"]["event"] for each in worker.told]
    assert events == ["progressed", "done"]


def test_when_its_time_is_over_a_worker_hands_back_what_it_has_with_its_checkpoints(station, worker, commission):
    age_s = time.time() - psutil.Process().create_time()
    worker.lifetime = age_s / 0.98 + 0.4
    started_s = time.monotonic()
    found = answer(commission)
    assert time.monotonic() - started_s < 60
    assert found.fate == "time"
    assert found.files == [("0/checkpoints/epoch", 1)]
    assert station.dropped == ["b"]
    assert not station.closed


def test_a_worker_without_a_lifetime_has_all_the_time(worker):
    assert dask_worker._left_s(worker) is None
    worker.lifetime = 10 * (time.time() - psutil.Process().create_time()) + 1000
    assert 900 < dask_worker._left_s(worker) < worker.lifetime


@pytest.mark.parametrize("how", ["cancelled", "forgotten", "closing"])
def test_work_that_nobody_wants_any_more_is_killed_and_its_files_are_removed(how, station, worker, commission):
    match how:
        case "cancelled":
            worker.state.tasks["k"].state = "cancelled"
        case "forgotten":
            worker.state.tasks.clear()
        case "closing":
            worker.status.name = "closing_gracefully"
    assert answer(commission).files == []
    assert station.dropped == ["b"]
    assert station.closed
    assert list(Path(worker.local_directory).iterdir()) == []


def test_a_station_that_ends_is_told_from_work_that_does(station, worker, commission):
    station.said = [report(Started(key="i")), None]
    assert answer(commission).fate == "gone"


def test_what_works_for_a_runner_that_is_heard_of_no_more_is_ended(station, tmp_path, monkeypatch):
    for run in ("gone", "there", "busy"):
        assert site.station_of(site.site_of(run, tmp_path), batches=run == "busy") is station
    monkeypatch.setattr(site, "LEASE_S", 0.2)
    time.sleep(0.25)
    finished(dask_worker.keep("there"))
    finished(dask_worker.keep("another"))
    site.end_stale()
    assert station.closed
    assert {path.name for path in tmp_path.iterdir()} == {"ctpbench-there", "ctpbench-busy"}


@pytest.mark.parametrize(("content", "sees"), [("token", True), ("other", False), (None, False)])
def test_a_disk_is_shared_where_the_runners_file_is_seen_and_more_can_be_written(content, sees, tmp_path):
    probe = tmp_path / "probe"
    if content:
        probe.write_text(content)
    assert dask_worker._sees(probe, "token") is sees
    assert [path.name for path in tmp_path.iterdir()] == (["probe"] if content else [])


def test_items_of_a_bundle_are_worked_on_one_after_the_other_each_by_itself(station, worker, commission):
    first = commission.order.assignments[0]
    second = first.model_copy(update={"item": first.item.model_copy(update={"key": "j"})})
    order = commission.order.model_copy(update={"assignments": [first, second]})
    asked: list[list[str]] = []

    def ask(word):
        keys = [each.item.key for each in word.assignments]
        asked.append(keys)
        reports = queue.SimpleQueue()
        for message in (report(Done(key=keys[0], outcome=Outcome(status="crashed"))), Report(batch="b", over=True)):
            reports.put(message)
        return reports

    station.ask = ask
    found = answer(commission.model_copy(update={"order": order, "apart": True}))
    assert asked == [["i"], ["j"]]
    assert (found.fate, list(found.done), list(found.took_s)) == ("over", ["i", "j"], ["i", "j"])


def test_what_comes_after_an_end_of_its_process_in_a_bundle_is_not_begun(station, worker, commission):
    order = commission.order.model_copy(update={"assignments": commission.order.assignments * 2})
    asked = []

    def ask(word):
        asked.append(word)
        reports = queue.SimpleQueue()
        reports.put(None)
        return reports

    station.ask = ask
    assert answer(commission.model_copy(update={"order": order, "apart": True})).fate == "gone"
    assert len(asked) == 1


def test_a_folder_goes_even_where_something_is_written_while_it_does(tmp_path, monkeypatch):
    folder, remove, written = tmp_path / "run", site.shutil.rmtree, []

    def rmtree(path, **options):
        remove(path, **options)
        if not written:
            written.append(path)
            (folder / "late").mkdir(parents=True)

    folder.mkdir()
    monkeypatch.setattr(site.shutil, "rmtree", rmtree)
    site.Site(folder).close()
    assert written
    assert not folder.exists()
