"""What is said below a table of the leaderboard: how to read it, how sure it is, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ctpbench.contract.components import Better
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.outcome.rows import EDGE
from ctpbench.outcome.scores import Score, rounded, title_of
from ctpbench.outcome.statistics import LEAST_PATIENTS

OWN_CLOCK = 0.05
"""Share by which a method's own clock may differ before both times are shown."""
EQUAL = " ="
"""Behind the rank of a row that is not told apart from the leader."""
REUSED = "†"
"""Behind seconds that another run measured."""

WORDS: Mapping[Better, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearer to zero is better",
}


def notes_of(
    block: pd.DataFrame, by: Score | None, shown: Sequence[Score], asked: Sequence[str], spread: bool
) -> list[str]:
    """Say how to read the table: what ranks, what numbers are means of, what marks mean, where it was timed.

    `asked` are the labels of the metrics that the dataset has.
    """
    ranked = f"Ranked by {by.title}, {WORDS[by.better]}." if by and by.better else "Not ranked: no score applies."
    notes = [ranked, *_certainty(block, by, spread), *_scale(block)]
    for dims in dict.fromkeys(score.over for score in shown if score.over):
        titles = dict.fromkeys(title_of(score.metric) for score in shown if score.over == dims)
        notes.append(f"Mean over {' and '.join(dims)}: {', '.join(titles)}.")
    notes.append("s/case: median seconds for denoising and maps.")
    if block["contended"].any():
        notes.append("*: timed while other cells ran on the same machine.")
    if (block["reused"] | block["fit_reused"]).any():
        notes.append(f"{REUSED}: measured by another run on the same hardware.")
    if any(differs_from_own(row) for row in block.to_dict("records")):
        notes.append("(...): by the clock of the method's own process, where that differs by more than 5%.")
    open_to = block[~block["sandbox"].isin(["full", ""])]
    if len(open_to):
        held = ", ".join(f"{row['config']} ({row['sandbox']})" for row in open_to.to_dict("records"))
        notes.append(f"Not held by a full sandbox, so it could have seen what it was not given: {held}.")
    if block["tuned"].str.contains(EDGE, regex=False).any():
        notes.append("(edge): the end of the values tried; a wider range may do better.")
    return [*notes, *_remarks(block, shown, asked)]


def differs_from_own(row: Mapping[Any, Any]) -> bool:
    """Whether a method's own clock says something else than the runner's; not where nobody knows."""
    return bool(abs(row["own_total_s"] - row["total_s"]) > OWN_CLOCK * row["total_s"])


def _certainty(block: pd.DataFrame, by: Score | None, spread: bool) -> list[str]:
    """Say what the scores are means over, how sure the order is, and what lead so many patients can show."""
    scored = block[block["n_cases"] > 0]
    if scored.empty:
        return []
    cases = _counted(scored["n_cases"], "case")
    seeds = f" and {_counted(scored['n_seeds'], 'seed')}" if scored["n_seeds"].max() > 1 else ""
    patients = scored["n_patients"]
    if not patients.max():
        return [f"Scores: mean over {cases}{seeds}. No interval: these results do not say whose each case is."]
    over = (
        f"{_counted(patients, 'patient')} ({cases}){seeds}"
        if not patients.equals(scored["n_cases"])
        else (f"{_counted(patients, 'patient')}{seeds}")
    )
    if patients.max() < LEAST_PATIENTS:
        why = f"No interval: {_counted(patients, 'patient')}; one needs {LEAST_PATIENTS}."
        return [f"Scores: mean over {over}.", why]
    shown = "mean [95% interval]" if spread else "mean"
    notes = [f"Scores: {shown} over {over}; ranks with their 95% interval."]
    if block["equals_leader"].any():
        notes.append(f"{EQUAL.strip()}: not told apart from the leader (paired t-test over patients, Holm).")
    lead = float(block["lead_shown"].iloc[0])
    if by and not np.isnan(lead):
        units = f" {by.units}" if by.units else ""
        notes.append(f"A lead of {rounded(lead, 2)}{units} over the next row would be seen with a power of 80%.")
    return notes


def _scale(block: pd.DataFrame) -> list[str]:
    """Say what the scale between the controls is, and who is beyond its ends."""
    share = block["relative"].to_numpy(dtype=float)
    if np.isnan(share).all():
        return []
    notes = [f"0-1: where the ranking score lies between {UNFILTERED} (0) and {NOISELESS} (1)."]
    worse, better = block["config"][share < 0], block["config"][(share > 1) & (block["method"] != NOISELESS)]
    notes += [f"Worse than {UNFILTERED}: {', '.join(worse)}."] if len(worse) else []
    return notes + ([f"Better than {NOISELESS}, which asks for a look: {', '.join(better)}."] if len(better) else [])


def _remarks(block: pd.DataFrame, shown: Sequence[Score], asked: Sequence[str]) -> list[str]:
    """Say what is so of this block alone: training, what rows learnt from, what was left out, the machines."""
    notes = []
    fitted = block[block["fit_s"].notna()]
    if len(fitted):
        seconds = zip(fitted["config"], fitted["fit_s"], fitted["fit_reused"], strict=True)
        texts = (f"{config} {rounded(fit_s, 3)} s{REUSED * reused}" for config, fit_s, reused in seconds)
        notes.append(f"Trained in: {', '.join(texts)}.")
    learnt = block[block["trained_on"] != ""]
    notes += [
        f"{config} learnt from {where}." for config, where in zip(learnt["config"], learnt["trained_on"], strict=True)
    ]
    notes += [f"Left out: {cases}." for cases in dict.fromkeys(block["left_out"]) if cases]
    if shown and (absent := [title_of(name) for name in asked if name not in {score.metric for score in shown}]):
        notes.append(f"Without a value here: {', '.join(absent)}.")
    if machines := sorted(set(block["hardware"]) - {""}):
        notes.append(f"Timed on {' and '.join(machines)}.")
    return notes


def stopped_note(counts: tuple[int, int] | None) -> list[str]:
    """Say what tuning saved: the cases that its trials were scored on, and those that stopped ones were not."""
    if counts is None:
        return []
    done, saved = counts
    return [
        f"Tuning stopped what could no longer win, which saved {saved} of {done + saved} cases to denoise; its choice "
        "is the same."
    ]


def failures_of(block: pd.DataFrame, faults: Sequence[Mapping[str, str]]) -> list[str]:
    """Say which rows failed and why, then which metrics did: what is the same in several rows is said once."""
    ended: dict[tuple[str, str], list[str]] = {}
    for row in block[block["status"] != "ok"].to_dict("records"):
        ended.setdefault((row["status"], row["message"]), []).append(row["config"])
    failed: dict[tuple[str, str], list[str]] = {}
    for label, named in zip(block["config"], faults, strict=True):
        for metric, message in named.items():
            failed.setdefault((metric, message), []).append(label)
    return [
        *(f"{', '.join(labels)}: {status}: {why}" for (status, why), labels in ended.items()),
        *(f"{title_of(metric)} failed in {', '.join(labels)}: {why}" for (metric, why), labels in failed.items()),
    ]


def _counted(numbers: pd.Series[int], noun: str) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return f"{most if least == most else f'{least} to {most}'} {noun}{'' if most == 1 else 's'}"
