"""How many workers a cluster is asked for, and what it is made of."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from ctpbench.errors import InputError
from ctpbench.plugins import EXECUTORS, load_catalogue
from ctpbench.running.executors.choice import written
from ctpbench.running.executors.cluster import Cluster, Request, cluster_of
from ctpbench.running.executors.offered import Dask


def test_a_cluster_grows_with_the_work_that_waits_and_never_shrinks():
    asked: list[int] = []
    made = SimpleNamespace(scheduler_address="tcp://x", scale=asked.append)
    cluster = Cluster(Request("--cluster f", cls="m:C", minimum=1, maximum=4), made)
    assert (cluster.address, cluster.most_workers) == ("tcp://x", 4)
    for batches in (2, 5, 3, 100, 101):
        cluster.grow(batches, places=2)
    assert asked == [3, 4]


def test_workers_of_a_scheduler_are_not_for_the_run_to_start():
    cluster = Cluster(Request.of(Dask(scheduler="tcp://x"), "--scheduler tcp://x", 1, 1))
    cluster.grow(100, places=1)
    assert cluster.most_workers is None


class Made:
    """A cluster of no workers, made by name like a stranger's."""

    calls: list[tuple[object, ...]] = []  # noqa: RUF012

    def __init__(self, **options: object) -> None:
        self.calls.append(("made", options))
        self.scheduler_address = "tcp://made"

    def scale(self, workers: int) -> None:
        self.calls.append(("scale", workers))
        if workers == 13:
            raise RuntimeError("no\nluck")

    def close(self) -> None:
        self.calls.append(("close",))


@pytest.fixture
def made(monkeypatch) -> list[tuple[object, ...]]:
    monkeypatch.setattr(Made, "calls", [])
    monkeypatch.setitem(sys.modules, "strangers", SimpleNamespace(Made=Made))
    return Made.calls


def test_any_class_can_be_named_in_a_file_with_its_keyword_arguments(made, tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("cluster: 'strangers:Made'\nworkers: {minimum: 2, maximum: 5}\noptions: {queue: all, cores: 4}\n")
    choice = written(load_catalogue([EXECUTORS]), file)
    assert choice.source == f"--cluster {file}"
    with cluster_of(Request.of(choice.executor, choice.source, 1, 1)) as cluster:
        assert (cluster.address, cluster.most_workers) == ("tcp://made", 5)
    assert made == [("made", {"queue": "all", "cores": 4}), ("scale", 2), ("close",)]


def test_one_that_cannot_start_workers_is_ended_and_named(made):
    with (
        pytest.raises(InputError, match=r"^--cluster f: strangers:Made: RuntimeError: no"),
        cluster_of(Request("--cluster f", cls="strangers:Made", minimum=13)),
    ):
        pass
    assert made[-1] == ("close",)
