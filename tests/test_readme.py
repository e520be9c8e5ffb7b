"""What the README shows of the results runs, on committed results."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "leaderboards/quick/results.nc"


def section(title: str) -> str:
    """A section of the README, from its heading to the next of its kind."""
    text = (ROOT / "README.md").read_text()
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.fixture
def shown() -> Iterator[dict[str, Any]]:
    """The value of each line of the section's Python that has one, by its source, from the committed results."""
    plt.switch_backend("agg")
    blocks = re.findall(r"```python\n(.*?)```", section("The results"), flags=re.S)
    code = "\n".join(blocks).replace('"runs/quick/results.nc"', repr(str(RESULTS)))
    assert str(RESULTS) in code
    names: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for statement in ast.parse(code).body:
        source = ast.unparse(statement)
        if isinstance(statement, ast.Expr):
            values[source] = eval(source, names)
        else:
            exec(source, names)
    yield values
    names["tree"].close()
    plt.close("all")


def value(shown: dict[str, Any], part: str) -> Any:
    (found,) = [value for source, value in shown.items() if part in source]
    return found


def test_the_recipes_give_what_the_results_hold(shown: dict[str, Any]) -> None:
    ranked = value(shown, "sort_values")
    assert ranked.dropna().is_monotonic_increasing
    assert list(ranked.index[ranked.notnull()])[:3] == ["noiseless", "subspace_n2n", "lowrank_nl"]
    assert value(shown, "tuned_sigma_px").notnull().all()
    cpu, git = value(shown, "tree.attrs")
    assert cpu
    assert git
    assert [len(line.get_xdata()) for line in value(shown, ".plot(")] == [44] * 9  # a line a row of the suite


def test_the_tables_of_trials_and_learning_have_a_row_for_each_of_theirs(shown: dict[str, Any]) -> None:
    frames = {source: value for source, value in shown.items() if isinstance(value, pd.DataFrame)}
    assert {source: len(frame) for source, frame in frames.items()} == {
        source: rows for source in frames for part, rows in (("trials", 189), ("learning", 600)) if part in source
    }
    assert len(frames) == 2
    trials = value(shown, "trials")
    assert np.isfinite(trials["value"]).all()
    assert {"trial_config", "trial_noise", "parameters"} <= set(trials.columns)
