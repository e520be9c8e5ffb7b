"""What pieces of work took, as it is noted and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctpbench.running.costs import Cost, Ledger, read_costs
from ctpbench.running.work import Assignment, ComponentSpec, DataInfo, DataTask, Item, Outcome

OK = Outcome(status="ok", info=DataInfo())


@pytest.fixture
def done(tmp_path):
    """A case that was loaded: its observation of 1,000 bytes beside a truth of 300."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "observation.npz").write_bytes(bytes(1000))
    (out / "truth.npz").write_bytes(bytes(300))
    spec = ComponentSpec(module="m", qualname="Q", name="toy", version="1", params={"size": 8}, code="c", libraries={})
    item = Item(key="k", task=DataTask(dataset=spec, case="a", noise=1.0))
    places = dict.fromkeys(("scratch", "checkpoints"), tmp_path)
    return Assignment(item=item, inputs={}, out=out, log=tmp_path / "log", **places)


def test_what_is_noted_is_read_again(done, tmp_path):
    Ledger(tmp_path, 2, "a processor").note(done, OK, 1.5)
    assert read_costs(tmp_path) == [
        Cost(
            stage="data",
            name="toy",
            params={"size": 8},
            trial=False,
            amount=1000,
            repeats=1,
            seconds=1.5,
            size=1300,
            peak_memory_mib=None,
            threads=2,
            hardware="a processor",
        )
    ]


def test_what_failed_is_not_noted(done, tmp_path):
    Ledger(tmp_path, 1, "").note(done, Outcome(status="timeout", message="too long"), 600.0)
    assert read_costs(tmp_path) == []


def test_a_line_cut_short_costs_itself_alone(done, tmp_path):
    Ledger(tmp_path, 1, "").note(done, OK, 1.0)
    path = tmp_path / "costs.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:50])
    Ledger(tmp_path, 1, "").note(done, OK, 2.0)
    with path.open("ab") as file:
        file.write(b'{"stage": "data"}\n\xff\xfe\n[]\n')
    assert [cost.seconds for cost in read_costs(tmp_path)] == [1.0, 2.0]


def test_a_full_disk_loses_the_note_and_not_the_run(done, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    Ledger(tmp_path, 1, "").note(done, OK, 1.0)
