"""Verification: what a run claims, held against the same work done again and against data from a secret seed.

What is made from a public seed can be known by heart, and a record can be forged. A claim is verified where the work
done again gives the same scores, and where on data that nobody has seen the ranking score is no worse than the claimed
one lets expect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import ValidationError

from ctpbench.errors import ResultError
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.scores import Score
from ctpbench.running.files import load_observation
from ctpbench.running.record import Plain
from ctpbench.running.store import Store
from ctpbench.suite.entries import Suite
from ctpbench.suite.resolved import resolved
from ctpbench.text import level_text
from ctpbench.written.document import dump

FILE_NAME = "verification.json"
SAME_MACHINE, ELSEWHERE, LEARNT_ELSEWHERE = 1e-6, 0.02, 0.1
"""How far a score done again may lie from the claimed one, as a share of it: on a machine with the same processor,
threads and packages; on another; on another by a method that learns, where rounding grows over the steps."""
NEAR_HU = 0.01
"""How far a voxel of a case made again on another machine may lie from the run's: rounding, far below any noise."""
WIDER = 1.31
"""From a 95% interval to one of 99%."""
WORST_RATIO = 1.5
"""How much worse a score on secret data may be where too few patients leave no interval."""
_PLACE = ("dataset", "noise", "config")
_MACHINE = ("cpu", "gpu", "threads", "packages", "python")

Word = Literal["verified", "failed"]


class Checked(Plain):
    """A row of the leaderboard that was verified, or failed to be.

    `score` is the column that ranks, `claimed`, `again` and `secret` are its values in the run, in the same work done
    again and on data from the secret seed: None where there is none. `why` says what failed.
    """

    dataset: str
    noise: float | None
    config: str
    word: Word
    why: str
    score: str
    claimed: float | None
    again: float | None
    secret: float | None


class Verification(Plain):
    """What ``verification.json`` beside a run's results holds."""

    format: Literal[1] = 1
    finished: str
    cpu: str
    gpu: str
    secret_seed: int | None
    inputs: int
    """Cases at a noise level whose bytes were compared: those that the run's cache still holds."""
    rows: list[Checked]


def load_verification(folder: Path) -> Verification | None:
    """Return what a run's folder holds of a verification, None where there was none.

    Raises
    ------
    ResultError
        Where it cannot be read.
    """
    path = folder / FILE_NAME
    try:
        return Verification.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise ResultError(f"{path}: unreadable; delete it, or run `ctpbench verify` again") from None


def reseeded(suite: Suite, secret_seed: int) -> tuple[str, frozenset[str]]:
    """Return a suite as YAML with every data set drawn from another seed, and the labels of those that have none."""
    plain = resolved(suite)
    unseeded = set()
    for entry in plain["datasets"]:
        if isinstance(entry["params"].get("seed"), int):
            entry["params"]["seed"] += secret_seed
        else:
            unseeded.add(entry["label"])
    return dump(plain), frozenset(unseeded)


def same_machine(claimed: xr.DataTree, again: xr.DataTree) -> bool:
    """Whether two runs had the same processor, threads and packages, so that the same work gives the same bits."""
    return all(str(claimed.attrs.get(name)) == str(again.attrs.get(name)) for name in _MACHINE)


def compared_inputs(claimed: Store, again: Store, *, same: bool) -> tuple[int, list[str]]:
    """Return how many cases two runs both hold, and the keys of those that are unlike.

    On the same machine they must be alike bit for bit, on another within `NEAR_HU`.
    """
    ones, others = claimed.cache.files("data"), again.cache.files("data")
    both = sorted(ones.keys() & others.keys())
    return len(both), [key for key in both if ones[key] != others[key] and (same or not _near(claimed, again, key))]


def _near(claimed: Store, again: Store, key: str) -> bool:
    one, other = (
        load_observation(store.cache.path("data", key) / "observation.npz").frames.values for store in (claimed, again)
    )
    return one.shape == other.shape and float(np.abs(one - other).max()) <= NEAR_HU


def checked(
    claimed: xr.DataTree,
    again: xr.DataTree,
    secret: xr.DataTree | None,
    unseeded: frozenset[str] = frozenset(),
    unlike: Sequence[str] = (),
) -> list[Checked]:
    """Hold what a run claims against the same work done again.

    Parameters
    ----------
    claimed, again : DataTree
        Results; the rows that `again` has are checked.
    secret : DataTree or None
        Those on data from a secret seed.
    unseeded : set of str
        The labels of data sets that have no seed, and so are the same there.
    unlike : sequence of str
        The keys of cases that are not alike in the two: see `compared_inputs`.
    """
    claims, repeats = leaderboard(claimed), leaderboard(again)
    hidden = None if secret is None else leaderboard(secret)
    same, found = same_machine(claimed, again), []
    for row in repeats.to_dict("records"):
        claim = _row(claims, row)
        tried = hidden is not None and row["dataset"] not in unseeded
        other = _row(hidden, row) if hidden is not None and tried else None
        column = str((claim or row)["rank_by"] or "")
        score = next((each for each in claims.attrs["scores"] if each.column == column), None)
        why = _unlike(claim, row, claims.attrs["scores"], same)
        if unlike and not why:
            why = f"the run's cases are not those of their seed: cache/data/{unlike[0]}"
        if tried and claim and score and not why:
            why = _unexpected(claim, other, score)
        values = {
            name: _number(each.get(column)) if each else None
            for name, each in {"claimed": claim, "again": row, "secret": other}.items()
        }
        place = {"dataset": row["dataset"], "noise": _number(row["noise"]), "config": row["config"]}
        found.append(Checked(**place, word="failed" if why else "verified", why=why, score=column, **values))
    return found


def word_of(row: Mapping[Any, Any], verification: Verification | None) -> tuple[str, Checked | None]:
    """Return ``verified``, ``failed`` or ``self-reported`` of a row of the leaderboard, and what was checked.

    A row whose score is no longer what was checked is self-reported.
    """
    for each in verification.rows if verification else ():
        same = (each.dataset, each.config) == (row["dataset"], row["config"]) and each.noise == _number(row["noise"])
        if same and each.claimed == _number(row.get(each.score)):
            return each.word, each
    return "self-reported", None


def _row(frame: pd.DataFrame, place: Mapping[Any, Any]) -> dict[Any, Any] | None:
    for row in frame.to_dict("records"):
        if all(row[name] == place[name] or (row[name] != row[name] and place[name] != place[name]) for name in _PLACE):
            return row
    return None


def _unlike(claim: dict[Any, Any] | None, again: Mapping[Any, Any], scores: tuple[Score, ...], same: bool) -> str:
    """Return how a row done again is unlike the claim; nothing where it is like it."""
    if claim is None:
        return "the run has no such row"
    if claim["status"] != again["status"]:
        why = f": {again['message']}" if again["message"] else ""
        return f"claimed {claim['status']}, done again {again['status']}{why}"
    learnt = not math.isnan(again["fit_s"])
    share = SAME_MACHINE if same else LEARNT_ELSEWHERE if learnt else ELSEWHERE
    for name in ("n_cases", "n_patients", "n_seeds"):
        if claim[name] != again[name]:
            return f"{name.removeprefix('n_')}: claimed {claim[name]}, done again {again[name]}"
    for score in scores:
        one, other = _number(claim.get(score.column)), _number(again.get(score.column))
        if one is None and other is None:
            continue
        if one is None or other is None or abs(one - other) > share * max(abs(one), abs(other)):
            return f"{score.column}: claimed {_spelled(one)}, done again {_spelled(other)}"
    return ""


def _unexpected(claim: Mapping[Any, Any], secret: Mapping[Any, Any] | None, score: Score) -> str:
    """Return why a score on secret data cannot be what the claimed one lets expect; nothing where it can."""
    if secret is None or secret["status"] != "ok":
        return f"on secret data: {secret['status'] if secret else 'not run'}"
    one, other = _number(claim[score.column]), _number(secret[score.column])
    if one is None or other is None:
        return "" if one == other else f"{score.column} on secret data: {_spelled(other)}, claimed {_spelled(one)}"
    worse = {"lower": other - one, "higher": one - other, "zero": abs(other) - abs(one)}[score.better or "lower"]
    halves = [_half_width(each, score.column) for each in (claim, secret)]
    if all(half is not None for half in halves):
        most = WIDER * math.hypot(*(half or 0.0 for half in halves))
    else:
        most = (WORST_RATIO - 1) * abs(one) if score.better != "higher" else (1 - 1 / WORST_RATIO) * abs(one)
    if worse <= most + SAME_MACHINE * abs(one):
        return ""
    expected = f"{_spelled(one)} was claimed, and {_spelled(most)} worse is what chance explains"
    return f"{score.column} on secret data: {_spelled(other)}; {expected}"


def _half_width(row: Mapping[Any, Any], column: str) -> float | None:
    low, high = _number(row.get(f"{column}_low")), _number(row.get(f"{column}_high"))
    return None if low is None or high is None else (high - low) / 2


def _number(value: Any) -> float | None:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else float(value)


def _spelled(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def rows_of(frame: pd.DataFrame, verification: Verification) -> list[tuple[str, ...]]:
    """Return a line for each row of the leaderboard: level, row, word, three values of its score, and why it failed."""
    lines = []
    for row in frame.to_dict("records"):
        word, found = word_of(row, verification)
        values = [_spelled(value) for value in (found.claimed, found.again, found.secret)] if found else ["", "", ""]
        level = level_text(row["dataset"], _number(row["noise"]), frame.attrs["axes"][row["dataset"]])
        lines.append((level, str(row["config"]), word, *values, found.why if found else ""))
    return lines
