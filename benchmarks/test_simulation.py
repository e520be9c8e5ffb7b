"""The simulated farm against what can be said without it."""

from __future__ import annotations

import pytest

from .simulation import Farm, Piece, simulate


def same(count: int, seconds: float = 1.0, mb: float = 0.0):
    return [[Piece(seconds, mb)]] * count


@pytest.mark.parametrize(("workers", "makespan_s"), [(1, 100), (3, 34), (100, 1), (400, 1)])
def test_workers_share_equal_pieces(workers, makespan_s):
    course = simulate(same(100), Farm(workers))
    assert course.makespan_s == pytest.approx(makespan_s)
    assert course.used == pytest.approx(100 / workers / makespan_s)


def test_a_chain_is_done_one_piece_after_the_other():
    course = simulate([[Piece(2), Piece(3)], *same(3)], Farm(2, overhead_s=0.5))
    assert course.makespan_s == pytest.approx(6)
    assert course.longest == pytest.approx(1)
    assert course.limit == "longest chain"


def test_many_workers_wait_for_one_driver():
    course = simulate(same(5000), Farm(1000, driver_s=0.01))
    assert course.makespan_s == pytest.approx(50, rel=0.05)
    assert course.driver > 0.95
    assert course.limit == "driver"


def test_many_workers_wait_for_one_link():
    course = simulate(same(500, mb=10), Farm(100, link_mb_s=100))
    assert course.makespan_s == pytest.approx(50, rel=0.05)
    assert course.limit == "link"


def test_what_a_lost_worker_was_at_is_done_again():
    farm = Farm(10, lost_per_h=60, back_s=5)
    course = simulate(same(20_000), farm)
    # A worker is lost every minute, is away for 5 s, and on average half a piece is lost with it.
    assert course.makespan_s == pytest.approx(2000 * (60 + 5.5) / 60, rel=0.02)
    assert course.lost_s == pytest.approx(0.5 * course.makespan_s * 10 / 65, rel=0.15)
    assert simulate(same(200), farm, seed=1) == simulate(same(200), farm, seed=1)
    assert simulate(same(200), farm, seed=1) != simulate(same(200), farm, seed=2)


def test_a_worker_takes_nothing_that_it_cannot_finish():
    course = simulate(same(10, seconds=4), Farm(1, lifetime_s=10, back_s=2))
    # Two pieces in each life of 10 s, then 2 s without: four lives of 12 s, and a last one of 8 s.
    assert course.makespan_s == pytest.approx(4 * 12 + 8)
    assert course.lost_s == 0


def test_a_piece_longer_than_a_life_is_refused():
    with pytest.raises(ValueError, match=r"a piece takes 11 s and a worker lives 10 s"):
        simulate(same(1, seconds=11), Farm(1, lifetime_s=10))
