"""What a plan says of time, memory and disk."""

from __future__ import annotations

import pytest

from ctpbench.report.plan import lines
from ctpbench.running.forecast import Forecast
from ctpbench.running.rates import Estimate, Span

GB, MIB = 10**9, 2**20
ONE = Estimate("same", Span(50, 60, 90), Span(1e9, 2e9, 3e9), 60.0, 500.0)
NOTHING = Estimate("unknown")


def forecast(cells, shared=(), *, jobs=2, sources=1):
    every = [*cells, *shared]
    seconds = sum((each.seconds for each in every), Span())
    return Forecast(
        cells={str(number): cell for number, cell in enumerate(cells)},
        shared=list(shared),
        seconds=seconds,
        pieces={"prediction": len(every)},
        size={"prediction": sum((each.size for each in every), Span())},
        longest_s=max(each.longest_s for each in every),
        sources=sources,
        jobs=jobs,
    )


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_all_is_told_with_its_range():
    assert list(lines(forecast([ONE] * 4), 50 * GB, 20 * GB)) == [
        "Time with -j 2: about 2 min (1.7 min to 3 min) for 4 pieces of work.",
        "Memory: up to 524 MB a cell, 2 of them 1 GB; 20 GB are free.",
        "Disk: about 8 GB (4 GB to 12 GB) (predictions 8 GB); 50 GB are free.",
        "[dim]Estimated from what an earlier run took, pictures left out.[/]",
    ]


def test_more_processes_than_cores_and_one_long_piece_help_nobody():
    assert "about 2 min" in next(lines(forecast([ONE] * 4, jobs=64), GB, GB))
    long = Estimate("same", Span(3000, 3600, 4000), Span(), 3600.0)
    assert "about 60 min (" in next(lines(forecast([long, ONE]), GB, GB))


def test_what_nothing_is_known_of_is_counted():
    first = next(lines(forecast([ONE, NOTHING], [NOTHING, NOTHING]), 50 * GB, 20 * GB))
    assert first.endswith(
        ", and more for 1 of 2 cells and 2 sets of data or references, of whose work nothing like it ran."
    )


def test_rough_estimates_are_marked():
    rough = Estimate("rough", Span(1, 3, 9))
    assert (
        "~: from other parameters, data or machine, or an older version."
        in list(lines(forecast([ONE, rough]), GB, GB))[-1]
    )


@pytest.mark.parametrize(
    ("free", "words"), [(2.5 * GB, "The disk may not suffice"), (0.5 * GB, "The disk will not suffice")]
)
def test_a_disk_that_is_too_small_is_told(free, words):
    found = list(lines(forecast([ONE]), int(free), 20 * GB))
    assert [line for line in found if words in line]
    assert not [line for line in lines(forecast([ONE]), 4 * GB, 20 * GB) if "suffice" in line]


def test_memory_that_is_too_small_for_so_many_is_told():
    assert [
        line for line in lines(forecast([ONE], jobs=4), 50 * GB, 2000 * MIB - 1) if "Memory may not suffice" in line
    ]
    assert not [line for line in lines(forecast([ONE], jobs=4), 50 * GB, 2000 * MIB) if "suffice" in line]


def test_where_nothing_ran_all_is_unknown():
    (line,) = lines(forecast([NOTHING], sources=0), 31 * GB, GB)
    assert line.startswith("Time, memory and disk: unknown, ")
    assert line.endswith("31 GB are free on the disk.")
