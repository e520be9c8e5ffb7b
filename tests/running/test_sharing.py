"""What a run takes from the cache that runs share and gives to it, with all stages in this process."""

from __future__ import annotations

import errno
import time
from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from ctpbench.device import processor
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.record import Record
from ctpbench.running.runner import Runner
from ctpbench.running.shared import GIB, SharedCache
from ctpbench.running.sharing import Machine, Sharing, Shelf
from ctpbench.running.store import Store
from ctpbench.running.work import Item, Measured
from ctpbench.suite.load import load_suite
from tests.running.here import Here, Listening

PLAIN = """
datasets: [{name: toy, params: {test_cases: 2}, noise: [1]}]
denoisers: [leave]
metrics: [error]
"""
TUNED = """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: learn, tune: {parameters: {factor: [0, 0.1]}, metric: error}}]
metrics: [error]
"""
LEARNT = """
datasets: [{name: toy, noise: [1]}]
denoisers: [learn]
metrics: [error]
"""
HERE = Machine("cpu", 1, (processor(),), "none")


@dataclass(frozen=True)
class Done:
    """A run: its records by row, what it made, what it said, its folder."""

    records: dict[str, Record]
    items: list[Item]
    said: list[str]
    store: Store
    told: list[str]

    @property
    def made(self) -> Counter[str]:
        return Counter(item.stage for item in self.items)


@pytest.fixture
def shared(tmp_path):
    made = SharedCache(tmp_path / "shared")
    made.prepare()
    return made


@pytest.fixture
def run(catalogue, write_suite, tmp_path, shared):
    """Run a suite in a folder of its own, which shares the cache of the test."""

    def run(text: str, folder: str, *, machine: Machine = HERE, own=(), limit: int = GIB, **options) -> Done:
        cells = plan(load_suite(write_suite(text), catalogue))
        here, store, said, listening = Here(), Store(tmp_path / folder), [], Listening()
        calm = options.get("serial_timing", False)
        sharing = Sharing(store.cache, shared, machine, limit, said.append, own=own, calm=calm)
        with store.locked(), here:
            try:
                runner = Runner(store, here, Options(**options), listening, sharing=sharing)
                records = runner.run(cells)
            finally:
                sharing.close()
        return Done({record.config: record for record in records}, here.items, said, store, listening.told)

    return run


def kept(shared: SharedCache) -> Counter[str]:
    return Counter(each.stage for each in shared.kept())


def test_what_one_run_made_another_takes(run, shared):
    first = run(PLAIN, "a")
    assert first.made == {"data": 2, "reference": 1, "prediction": 1, "scores": 1}
    assert first.said == []
    second = run(PLAIN, "b")
    assert second.made == {}
    assert [line.rpartition(":")[0] for line in second.said] == [
        "5 entries made by other runs (2 data, 1 reference, 1 prediction, 1 scores)"
    ]
    assert second.records["leave"].scores == first.records["leave"].scores
    for store in (first.store, second.store):
        assert not store.damaged
    assert not list((shared.folder / "locks").iterdir())
    inodes = [
        {path.stat().st_ino for path in store.cache.folder.rglob("*.npz")} for store in (first.store, second.store)
    ]
    assert inodes[0] == inodes[1]


def test_another_suite_takes_the_data_alone(run):
    run(PLAIN, "a")
    assert run(PLAIN.replace("leave", "shrink"), "b").made == {"prediction": 1, "scores": 1}


def test_seconds_that_another_run_measured_say_so_also_after_an_interruption(run):
    assert run(PLAIN, "a").records["leave"].timings.reused is False
    second = run(PLAIN, "b")
    timings = second.records["leave"].timings
    assert timings.reused is True
    second.store.forget_records([second.records["leave"].key])
    assert run(PLAIN, "b").records["leave"].timings.reused is True
    second.store.forget_records([second.records["leave"].key])
    second.store.cache.discard("prediction", second.records["leave"].entries.prediction)
    for folder in ("shared", "a"):
        for path in (second.store.folder.parent / folder).rglob("*"):
            if path.name == "entry" and path.parent.parent.name == "prediction":
                (path / "outcome.json").unlink()
    again = run(PLAIN, "b")
    assert again.records["leave"].timings.reused is False
    again.store.forget_records([again.records["leave"].key])
    assert run(PLAIN, "b").records["leave"].timings.reused is False


def test_tuning_takes_models_and_scores_of_trials_and_leaves_no_trials_prediction(run, shared):
    first = run(TUNED, "a")
    assert first.made == {"data": 5, "reference": 2, "model": 2, "prediction": 3, "scores": 3}
    assert kept(shared) == {"data": 5, "reference": 2, "model": 2, "prediction": 1, "scores": 3}
    second = run(TUNED, "b")
    assert second.made == {}
    assert second.records["learn"].trials == first.records["learn"].trials
    assert second.records["learn"].timings.fit_reused is True
    assert first.records["learn"].timings.fit_reused is False


OTHERS = {"threads": 2, "device": "cuda", "processors": ("Another",), "sandbox": "full"}


def test_what_was_measured_is_shared_on_the_same_machine_alone(run, shared):
    """The other machine measures on this one here, as a worker elsewhere would: it gives nothing that it measured."""
    elsewhere = replace(HERE, threads=2)
    run(LEARNT, "a", machine=elsewhere)
    assert kept(shared) == {"data": 4, "reference": 1}
    assert run(LEARNT, "b").made == {"model": 1, "prediction": 1, "scores": 1}
    assert run(LEARNT, "c", machine=elsewhere).made == {"model": 1, "prediction": 1, "scores": 1}


def test_a_machine_is_its_device_threads_processor_and_sandbox():
    facts = {"device": "cpu", "threads": 1, "hardware": processor(), "sandbox": "none"}
    info = Measured(peak_memory_mib=1.0, peak_device_memory_mib=None, **facts)
    others = [replace(HERE, **{name: value}) for name, value in OTHERS.items()]
    assert HERE.measured(info)
    assert not any(other.measured(info) for other in others)
    for stage in ("model", "prediction", "scores"):
        assert len({each.name(stage, "k") for each in (HERE, *others)}) == 5
        assert HERE.name(stage, "k") != HERE.name(stage, "l")
        assert HERE.keys(stage, {HERE.name(stage, "k"), "other-0"}) >= {"k"}
    for stage in ("data", "reference"):
        assert {each.name(stage, "k") for each in (HERE, *others)} == {"k"}
    card = replace(HERE, processors=("A card", processor()))
    assert card.measured(info), "what a method does without the card goes by the processor's name"


def test_nothing_of_a_callers_own_component_is_shared_nor_what_is_made_from_it(run, shared):
    first = run(LEARNT, "a", own=["Learn"])
    assert first.records["learn"].status == "ok"
    assert kept(shared) == {"data": 4, "reference": 1}
    run(LEARNT, "b")
    assert run(LEARNT, "c", own=["Learn"]).made == {"model": 1, "prediction": 1, "scores": 1}


def test_failures_are_nobody_elses(run, shared):
    text = """
datasets: [{name: toy, params: {test_cases: 2, broken_case: test/1}, noise: [1]}]
denoisers: [leave, {name: misbehave, params: {how: raise}}]
metrics: [error, {name: faulty, params: {how: raise}}]
"""
    first = run(text, "a")
    assert [record.status for record in first.records.values()] == ["ok", "error"]
    assert kept(shared) == {"data": 1, "reference": 1, "prediction": 1}
    assert run(text, "b").made == {"data": 1, "prediction": 1, "scores": 1}


def test_what_is_damaged_is_named_and_made_again_and_not_passed_on(run, shared):
    first = run(PLAIN, "a")
    one = next(path for path in shared.folder.glob("data/*/entry/observation.npz"))
    copy = bytearray(one.read_bytes())
    copy[len(copy) // 2] ^= 1
    one.unlink()
    one.write_bytes(copy)
    second = run(PLAIN, "b")
    assert second.made == {"data": 1}
    name = one.parent.parent.name
    assert second.said[0].endswith(f"shared: data/{name}: observation.npz was altered or cut short; discarded")
    assert not second.store.damaged
    assert second.records["leave"].scores == first.records["leave"].scores
    assert run(PLAIN, "c").made == {}


def test_what_was_made_from_other_entries_than_the_runs_is_not_taken(run, shared):
    """A model that was pruned and trained anew is another one: predictions of the old one are not of the new."""
    run(LEARNT, "a")
    assert len(shared.prune(None, stages=["model"])) == 1
    second = run(LEARNT, "b")
    assert second.made == {"model": 1, "prediction": 1, "scores": 1}
    assert second.records["learn"].timings.reused is False
    third = run(LEARNT, "c")
    assert third.made == {}, "the new ones have taken the place of the old"
    measured = second.records["learn"].timings
    assert third.records["learn"].timings == measured.model_copy(update={"reused": True, "fit_reused": True})


def test_a_run_that_has_other_data_gives_nothing_that_was_made_from_them(run, shared):
    first = run(PLAIN, "a")
    own = Store(first.store.folder)
    for key in list(own.cache.files("data")):
        changed = own.cache.workspace()
        for path in own.cache.path("data", key).glob("*.npz"):
            with np.load(path) as held:
                others = {name: held[name] + 1 if held[name].dtype.kind == "f" else held[name] for name in held.files}
            np.savez(changed / path.name, **others)
        own.cache.commit("data", key, changed, own.cache.outcome("data", key))
    before = {each.name: each.about.seal for each in shared.kept()}
    again = run(PLAIN.replace("leave", "leave, shrink"), "a")
    assert again.made == {"reference": 1, "prediction": 2, "scores": 2}
    assert {each.name: each.about.seal for each in shared.kept()} == before


def test_what_is_timed_alone_is_not_taken_from_what_was_timed_beside_others(run):
    text = PLAIN.replace("leave", "{name: leave, grid: {wait_s: [0, 0.001]}}")
    first = run(text, "a", jobs=2)
    assert all(record.timings.contended for record in first.records.values())
    assert run(text, "b", jobs=2).made == {}
    calm = run(text, "c", jobs=2, serial_timing=True)
    assert calm.made == {"prediction": 2, "scores": 2}
    assert run(text, "d", jobs=2, serial_timing=True).made == {}


def test_what_another_run_makes_is_waited_for_and_other_work_done_meanwhile(run, shared, tmp_path, monkeypatch):
    """Another run holds a case; it is done with it once all else is done here that can be done without."""
    first = run(PLAIN, "a")
    key = first.items[0].key
    shared.discard("data", key)
    lock, slept = shared.lock("data", key), []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            shared.put("data", key, first.store.cache.path("data", key), 1.0)
            lock.release()

    monkeypatch.setattr("ctpbench.running.runner.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    two = PLAIN.replace("noise: [1]", "noise: [1, 2]")
    second = run(two, "b")
    assert len(slept) == 3
    assert set(second.told) == {"toy, noise 1, test/0 (waits for another run, which makes it)"}
    assert second.made == {"data": 2, "reference": 1, "prediction": 1, "scores": 1}, "the other level's alone"


def test_what_another_run_fails_to_make_is_made_by_who_waits(run, shared, monkeypatch):
    first = run(PLAIN, "a")
    key = first.items[0].key
    shared.discard("data", key)
    lock = shared.lock("data", key)
    clock = SimpleNamespace(sleep=lambda seconds: lock.release(), monotonic=time.monotonic)
    monkeypatch.setattr("ctpbench.running.runner.time", clock)
    assert run(PLAIN, "b").made == {"data": 1}


def test_a_full_disk_is_said_once_and_the_run_goes_on(run, shared, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ctpbench.running.shared.place_tree", full)
    done = run(PLAIN, "a")
    assert done.records["leave"].status == "ok"
    assert done.said == [
        f"shared cache: {shared.folder}: No space left on device; this run goes on without it "
        "(--cache DIR names another, --cache none none)"
    ]
    assert not list(shared.kept())
    assert not list((shared.folder / "locks").iterdir())


def test_it_is_brought_down_to_its_size_when_a_run_ends(run, shared):
    run(PLAIN, "a", limit=0)
    assert not list(shared.kept())
    size = sum(each.size for each in shared.kept())
    run(PLAIN.replace("leave", "shrink"), "b", limit=10 * GIB)
    size = sum(each.size for each in shared.kept())
    run(PLAIN, "c", limit=size)
    assert 0 < sum(each.size for each in shared.kept()) <= size
    assert run(PLAIN, "d", limit=size).records["leave"].status == "ok"


def test_a_plan_counts_what_a_run_here_would_take(run, shared):
    first = run(PLAIN, "a")
    shelf = Shelf(shared, HERE)
    assert all(shelf.holds(item.stage, item.key) for item in first.items)
    other = Shelf(shared, replace(HERE, threads=7))
    held = {item.stage: other.holds(item.stage, item.key) for item in first.items}
    assert held == {"data": True, "reference": True, "prediction": False, "scores": False}
