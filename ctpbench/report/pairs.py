"""Rows held against each other as people read them: a table for each level, or two rows patient by patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import numpy as np

from ctpbench.arrays import Float64
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.comparison import UNKNOWN, Comparison, Where, spread_of
from ctpbench.outcome.scores import decimals, interval_text, rounded
from ctpbench.outcome.statistics import LEAST_PATIENTS, Estimate, Pair, patients_needed, smallest_difference
from ctpbench.report.columns import in_lines, room, table_of, total, width_of
from ctpbench.report.notes import WORDS
from ctpbench.text import did_you_mean, in_brackets, level_text, wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

_BELOW = " "  # before a row that stands below the one it is held against
_PATIENT_WIDTH = 16  # characters that a patient's name gets at least where it is as long


def check_patients(compared: Mapping[Where, Comparison], run: Path) -> None:
    """Raise a `ResultError` where rows cannot be held against each other patient by patient at any level."""
    if not compared:
        raise ResultError(f"{run}: no score with a direction has a value, so no row is better than another")
    if not any(one.patients for one in compared.values()):
        raise ResultError(
            f"{run}: the results do not say whose each case is, without which no rows are compared; run the suite again"
        )
    if max(int(one.scored.sum()) for one in compared.values() if one.patients) < 2:
        raise ResultError(
            f"{run}: all cases are of 1 patient; rows are held against each other over 2 or more, and a test needs "
            f"{LEAST_PATIENTS}"
        )


def check_rows(rows: Sequence[str], compared: Mapping[Where, Comparison]) -> None:
    """Raise an `InputError` where rows to compare are not two different ones that went well at some level."""
    if len(rows) not in (0, 2) or len(set(rows)) < len(rows):
        raise InputError(f"ROW: got {', '.join(rows)}; allowed: no row, or two different ones")
    known = list(dict.fromkeys(row.label for one in compared.values() for row in one.rows))
    for label in rows:
        if label not in known:
            near = did_you_mean(label, known)
            raise InputError(f"ROW: no row {label!r} that went well{near}; there are: {', '.join(known)}")


def print_level(where: Where, compared: Comparison, pairs: Sequence[Pair], console: Console) -> None:
    """Print pairs of rows of a level, how much better the first is of each, and whether that is more than chance."""
    from rich.text import Text

    table = _pairs_table(compared, pairs, console.width)
    console.print(Text(_title(where, compared), "bold"), table)
    console.print(Text(" ".join(_notes(compared, pairs)), "dim"))
    console.print()


def _pairs_table(compared: Comparison, pairs: Sequence[Pair], width: int) -> Table:
    """Return the pairs, a line each; where a terminal is too narrow for that, two, the second row below the first."""
    from rich.text import Text

    headings = ("First", "Second", "Difference [95% interval]", "p (Holm)", "Told apart")
    rows = [
        (
            *(compared.rows[row].label for row in (pair.first, pair.second)),
            _estimate_text(pair.difference),
            _p_text(pair.p_holm),
            _told_apart(pair),
        )
        for pair in pairs
    ]
    if total([width_of(column) for column in zip(headings, *rows, strict=True)]) <= width:
        table = table_of(headings[:2], headings[2:])
        for row in rows:
            table.add_row(*map(Text, row))
        return table
    numbers = [(difference.replace(" ", "\n", 1), f"{p}\n{told}") for *_, difference, p, told in rows]
    narrow = ("Difference\n[95% interval]", "p (Holm)\napart")
    most = room(width, [width_of(column) for column in zip(narrow, *numbers, strict=True)], 1)
    table = table_of((f"First\n{_BELOW}Second",), narrow)
    for (first, second, *_), texts in zip(rows, numbers, strict=True):
        below = indent(wrapped(second, max(most - len(_BELOW), 1)), _BELOW)
        table.add_row(*map(Text, (f"{wrapped(first, most)}\n{below}", *texts)))
    return table


def pairs_of(compared: Comparison, rows: Sequence[str] = (), every: bool = False) -> Sequence[Pair]:
    """Return the pairs to show of a level, of rows that have a patient in common.

    They are that of two rows, every one, or the leader's with each other row.
    """
    if rows:
        well = {row.label for row in compared.rows}
        pairs: Sequence[Pair] = [compared.pair(*map(compared.place, rows))] if well.issuperset(rows) else []
    else:
        pairs = compared.pairs if every else compared.against_leader
    return [pair for pair in pairs if pair.difference.patients]


def print_rows(where: Where, compared: Comparison, rows: Sequence[str], console: Console) -> None:
    """Print two rows of a level patient by patient, what their difference is, and how many patients it takes."""
    from rich.text import Text

    pairs = pairs_of(compared, rows)
    if pairs:
        _print_pair(where, compared, pairs[0], console)
        return
    lacking = [label for label in rows if label not in {row.label for row in compared.rows}]
    if len(lacking) < len(rows):
        why = f"no result of {lacking[0]}" if lacking else f"no patient with a score of both {' and '.join(rows)}"
        console.print(Text(f"{_title(where, compared)}\n{why}\n"))


def _print_pair(where: Where, compared: Comparison, pair: Pair, console: Console) -> None:
    from rich.text import Text

    first, second = (compared.rows[row].label for row in (pair.first, pair.second))
    differences = compared.differences(pair.first, pair.second)
    scores = [compared.by_patient(row) for row in (pair.first, pair.second)]
    both = ~np.isnan(differences)
    with np.errstate(invalid="ignore"):
        columns = [_column([*one, one[both].mean()]) for one in (*scores, differences)]
    names = [*(compared.patients or ("all cases",)), f"mean of {both.sum()}"]
    headings = [first, second, f"{first} better by"]
    shown = [["Patient", *names], *([title, *texts] for title, texts in zip(headings, columns, strict=True))]
    if total(list(map(width_of, shown))) > console.width:
        most = room(console.width, [min(width_of(names), _PATIENT_WIDTH)], len(columns))
        headings = [in_lines(title, texts, most) for title, texts in zip(headings, columns, strict=True)]
    table = table_of(("Patient",), headings)
    for place, (name, *texts) in enumerate(zip(names, *columns, strict=True)):
        if place == both.size:
            table.add_section()
        if any(texts):
            table.add_row(Text(name), *texts)
    console.print(Text(_title(where, compared), "bold"), table)
    console.print(Text(" ".join(_pair_notes(compared, pair, differences))))
    console.print()


def _title(where: Where, compared: Comparison) -> str:
    score = compared.score
    words = f", {WORDS[score.better]}" if score.better else ""
    patients = counted(int(compared.scored.sum())) if compared.patients else UNKNOWN
    return f"{level_text(*where, compared.axis)}: {score.title}{in_brackets(score.units)}{words}; {patients}"


def _notes(compared: Comparison, pairs: Sequence[Pair]) -> list[str]:
    """Say how to read a table of pairs, and why there is no test where there is none."""
    if not pairs:
        return ["No two rows have a patient in common."]
    if all(pair.p is None for pair in pairs):
        return [_no_test(pairs[0].difference)]
    tested = sum(pair.p is not None for pair in compared.pairs)
    few = sorted({_no_test(pair.difference) for pair in pairs if pair.p is None})
    return [
        "Difference: how much better the first is, mean over patients.",
        f"p: paired t-test over patients, after Holm over the pairs of the level ({tested}); told apart: at most 0.05.",
        *few,
    ]


def _pair_notes(compared: Comparison, pair: Pair, differences: Float64) -> list[str]:
    """Say how far two rows are apart, whether that is more than chance, and how many patients it would take."""
    seen = pair.turned() if pair.difference.value < 0 else pair
    first, second = (compared.rows[row].label for row in (seen.first, seen.second))
    units = f" {compared.score.units}" if compared.score.units else ""
    notes = [f"In the mean {first} is better than {second} by {_estimate_text(seen.difference)}{units}."]
    if pair.p is None:
        notes.append(_no_test(pair.difference))
    else:
        whole = [one for one in compared.pairs if {one.first, one.second} == {pair.first, pair.second}]
        adjusted = next((one.p_holm for one in whole if one.p_holm is not None), None)
        tested = sum(one.p is not None for one in compared.pairs)
        after = "" if adjusted is None else f", {_p_text(adjusted)} after Holm over the pairs of the level ({tested})"
        notes.append(
            f"Paired t-test over {counted(pair.difference.patients)}: p {_p_text(pair.p)} for this pair{after}."
        )
    if not np.isfinite(pair.difference.value):
        return notes
    return [*notes, _power_note(differences[np.isfinite(differences)], units, compared.values.shape[1] > 1)]


def _power_note(differences: Float64, units: str, trained: bool) -> str:
    """Say how many patients the difference observed takes, and what difference so many patients show."""
    mean, spread, patients = float(differences.mean()), spread_of(differences), differences.size
    if patients < 2 or spread == 0:
        return "" if patients < 2 else f"It is the same in all {patients} patients."
    try:
        takes = f"{counted(patients_needed(spread, mean))}"
    except ValueError:  # no difference, or next to none
        takes = "more than ten million patients"
    shown = f"To show a difference of {rounded(abs(mean), 2)}{units} (p 0.05, one pair, power 80%) takes {takes}"
    shown += " of these trainings" if trained else ""
    if patients >= LEAST_PATIENTS:
        shown += f"; {counted(patients)} show one of {rounded(smallest_difference(spread, patients), 2)}{units} or more"
    return f"{shown}."


def _no_test(difference: Estimate) -> str:
    if difference.reason == UNKNOWN:
        return "No test: these results do not say whose each case is."
    if difference.patients < LEAST_PATIENTS:
        return f"No test: {counted(difference.patients)}; one needs {LEAST_PATIENTS}."
    return f"No test: {difference.reason}."


def _estimate_text(estimate: Estimate) -> str:
    ends = estimate.interval
    return interval_text(estimate.value, ends.low, ends.high) if ends else rounded(estimate.value, 3)


def _p_text(p: float | None) -> str:
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _told_apart(pair: Pair) -> str:
    told = pair.told_apart()
    return "" if told is None else "yes" if told else "no"


def _column(values: Sequence[float]) -> list[str]:
    """Return numbers with decimals in common; nothing for NaN."""
    largest = np.max(np.abs(values), initial=0, where=np.isfinite(values))
    common = decimals(float(largest), 4 if largest >= 1 else 3)
    return ["" if np.isnan(value) else f"{value:.{common}f}" for value in values]


def counted(patients: int) -> str:
    """Return a number of patients in words."""
    return f"{patients} patient{'' if patients == 1 else 's'}"
