"""Estimates from costs: what is most alike is gone by, in proportion, and the range says how sure that is."""

from __future__ import annotations

import pytest

from ctpbench.running.costs import Cost
from ctpbench.running.rates import Rates, Span, Work

HERE = "this processor"


def cost(seconds, amount=1000, **changed):
    given = {
        "stage": "prediction",
        "name": "tips",
        "params": {"sigma": 1.0, "window": 9},
        "trial": False,
        "repeats": 1,
        "size": 4 * amount,
        "peak_memory_mib": 100.0,
        "threads": 2,
        "hardware": HERE,
    }
    return Cost(seconds=seconds, amount=amount, **{**given, **changed})


def work(amount=1000, **changed):
    given = {"stage": "prediction", "name": "tips", "params": {"sigma": 1.0, "window": 9}, "trial": False}
    return Work(amount=amount, **{**given, **changed})


def estimate(of, own, others=(), threads=2, hardware=HERE):
    return Rates(own, list(others), threads, hardware).estimate(of)


def test_the_same_work_takes_as_long():
    found = estimate(work(count=3), [cost(2.0), cost(2.0), cost(9.0, params={"sigma": 2.0, "window": 9})])
    assert found.basis == "same"
    assert found.seconds == Span(6 / 1.25, 6, 6 * 1.25)
    assert found.size.likely == 3 * 4000
    assert found.longest_s == 2
    assert found.peak_memory_mib == 100


def test_more_data_take_longer_in_proportion():
    found = estimate(work(amount=5000), [cost(2.0)])
    assert (found.basis, found.seconds.likely, found.size.likely) == ("scaled", 10, 20_000)
    assert found.seconds.high == 15


def test_as_much_data_tell_more_than_less_or_more():
    costs = [cost(1.0, amount=100), cost(5.0), cost(90.0, amount=10_000)]
    assert estimate(work(), costs).seconds.likely == 5
    assert estimate(work(), costs).basis == "same"


def test_repeats_are_counted_in_both():
    assert estimate(work(repeats=5), [cost(6.0, repeats=3)]).seconds.likely == pytest.approx(10)


def test_other_parameters_say_little():
    found = estimate(work(params={"sigma": 4.0}), [cost(1.0), cost(3.0, params={"sigma": 2.0, "window": 3})])
    assert (found.basis, found.seconds.likely) == ("rough", 2)
    assert found.seconds.low == 0
    assert found.seconds.high > 3 * 3


def test_parameters_that_are_tuned_count_as_any():
    costs = [cost(seconds, params={"sigma": s, "window": 9}, trial=True) for s, seconds in ((1.0, 1.0), (2.0, 3.0))]
    found = estimate(work(params={"window": 9}, trial=True, count=10), costs)
    assert (found.basis, found.seconds.likely) == ("same", 20)


def test_the_range_widens_with_what_varied_and_with_how_little_was_seen():
    def width(*seconds):
        span = estimate(work(count=4), [cost(each) for each in seconds]).seconds
        return span.high - span.low

    assert width(2, 2) < width(1, 3)
    assert width(1, 3, 1, 3, 1, 3, 1, 3) < width(1, 3)


@pytest.mark.parametrize("seed", range(5))
def test_the_range_holds_the_sum_that_comes(seed):
    import numpy as np

    rng = np.random.default_rng(seed)
    seen, to_come = rng.lognormal(0, 0.5, 12), rng.lognormal(0, 0.5, 40)
    span = estimate(work(count=40), [cost(float(each)) for each in seen]).seconds
    assert span.low < to_come.sum() < span.high


def test_this_machine_then_as_many_threads_then_this_run_come_first():
    other, more = cost(9.0, hardware="another"), cost(5.0, threads=4)
    assert estimate(work(), [other, more], [cost(2.0)]).seconds.likely == 2
    assert estimate(work(), [cost(3.0)], [cost(2.0)]).seconds.likely == 3
    assert estimate(work(), [other]).basis == "rough"


def test_other_threads_widen_the_range_by_all_they_could_change():
    span = estimate(work(), [cost(8.0, threads=8)], threads=2).seconds
    assert (span.low, span.likely, span.high) == (8 / 1.25, 16, 32 * 1.25)


def test_training_may_go_by_steps_or_by_data():
    fits = [cost(10.0, stage="model", name="n2n", params={})]
    span = estimate(work(stage="model", name="n2n", params={}, amount=4000), fits).seconds
    assert span.likely == pytest.approx(20)
    assert (span.low <= 10, span.high >= 40) == (True, True)


def test_a_trial_tells_of_the_test_where_nothing_else_does():
    assert estimate(work(), [cost(1.0, trial=True)]).basis == "rough"


def test_scores_by_other_metrics_say_little_and_another_method_nothing():
    scores = [cost(1.0, stage="scores", name="rmse", params={})]
    assert estimate(work(stage="scores", name="rmse, ssim", params={}), scores).basis == "rough"
    assert estimate(work(name="ttv"), [cost(1.0)]).basis == "unknown"


def test_data_of_other_parameters_make_all_that_reads_them_unsure():
    rates = Rates([cost(1.0, stage="data", name="heads", params={"size": 8})], [], 2, HERE)
    assert rates.observation_bytes("heads", {"size": 8}) == (1000, True)
    assert rates.observation_bytes("heads", {"size": 9}) == (1000, False)
    assert rates.observation_bytes("tails", {}) is None
    assert estimate(work(sure=False), [cost(2.0)]).basis == "rough"
