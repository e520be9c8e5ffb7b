"""A suite written back loads as an equal suite."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctpbench.suite.resolved import resolved
from ctpbench.written.document import dump
from tests.suite.components import (
    EXAMPLE,
)


def test_resolved_is_plain_and_complete(load):
    data = resolved(load(EXAMPLE))
    assert data["datasets"][1]["params"] == {"size_px": 128, "root": "/data", "spacing_mm": [1.0, 1.0, 1.0]}
    assert data["denoisers"][2] == {
        "name": "tips",
        "label": "tips(window_px=9, sigma_t_hu=5, sigma_s_px=2)",
        "params": {"window_px": 9, "sigma_t_hu": 5.0, "sigma_s_px": 2.0},
        "maps": ["osvd 0.095, kappa 0.73"],
    }
    assert data["denoisers"][7]["tune"]["parameters"] == {
        "strength": {"low": 1.0, "high": 100.0, "log": True},
        "mode": [None, "reflect"],
    }
    assert data["exclude"] == [{"denoiser": "tips", "noise": 1e5}, {"dataset": "phantom", "seed": 7}]
    assert data["resources"]["repeats"] == 3
    assert data["metrics"][3] == {
        "name": "ssim",
        "label": "ssim0",
        "params": {"against": "noiseless", "data_range": 50.0},
    }


def test_round_trip_of_the_example(load):
    suite = load(EXAMPLE)
    again = load(dump(resolved(suite)), name="suite.lock.yaml")
    assert again == suite
    assert resolved(again) == resolved(suite)
    assert repr([row.tune for row in again.denoisers]) == repr([row.tune for row in suite.denoisers])


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)
POSITIVE = st.floats(1e-6, 1e6)
SHARP = {
    "mode": st.sampled_from(["reflect", "nearest", None]),
    "flip": st.booleans(),
    "rates": st.just("auto") | st.lists(POSITIVE, max_size=3),
    "window": st.fixed_dictionaries({}, optional={"shape": st.just("ramp"), "cutoff": st.floats(0.1, 1)}),
    "label_text": st.sampled_from(["no", "1e5", "10:30", "~", "${X}", "a: b", " ", ""]) | TEXT,
}
STRENGTHS = st.lists(POSITIVE, min_size=1, max_size=3, unique=True)
SPREADS = st.one_of(
    st.fixed_dictionaries({"grid": st.fixed_dictionaries({"strength": STRENGTHS})}),
    st.fixed_dictionaries(
        {"tune": st.fixed_dictionaries({"parameters": st.fixed_dictionaries({"strength": STRENGTHS})})}
    ),
)
ENTRIES = st.builds(
    lambda entry, spread: {**entry, **spread},
    st.fixed_dictionaries(
        {"name": st.just("sharp"), "params": st.fixed_dictionaries({}, optional=SHARP)}, optional={"label": TEXT}
    ),
    SPREADS,
)
SUITES = st.fixed_dictionaries(
    {
        "name": TEXT.filter(lambda text: "/" not in text and "." not in text),
        "datasets": st.just(["phantom"]),
        "denoisers": ENTRIES.map(lambda entry: ["none", entry]),
    },
    optional={"seeds": st.lists(st.integers(0, 2**40), min_size=1, max_size=3, unique=True)},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SUITES)
def test_round_trip_of_any_suite(load, written):
    suite = load(dump(written))
    assert suite.name == written["name"]
    assert load(dump(resolved(suite)), name="again.yaml") == suite
