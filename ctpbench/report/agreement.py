"""How far methods' maps agree with a reference, as a section of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from ctpbench.outcome.agreement import Agreement
from ctpbench.outcome.scores import decimals, title_of
from ctpbench.outcome.statistics import Estimate
from ctpbench.report.markdown import escaped, folded, table_lines
from ctpbench.text import level_text

_LONG = 12  # rows of a table that is folded
_WORDS = ("What", "Against", "Method")
_NUMBERS = (
    "Bias: mean difference, method less reference [95% interval over patients]. Limits: within which 95% of the "
    "differences lie (Bland and Altman). ICC: ICC(2,1), absolute agreement."
)
_DECISIONS = "Agreed: share of the patients about whom both decide alike. Kappa: Cohen's, agreement beyond chance."
_READINGS = "Each patient has up to {} readings (cases, seeds), held against the reference one by one; shown are means."


def agreement_markdown(found: Sequence[Agreement]) -> str:
    """Return a section with the agreement of each dataset and noise level; nothing where there is none."""
    lines: list[str] = []
    for title, level in levels(found):
        inner: list[str] = []
        notes: list[str] = []
        for quantity, rows_of, note in _KINDS:
            if same := [one for one in level if one.quantity == quantity]:
                inner += [*table_lines(*rows_of(same), _WORDS), ""]
                notes.append(note)
        readings = max(one.readings for one in level)
        notes += [*([_READINGS.format(readings)] if readings > 1 else []), *_reasons(level)]
        inner += [" ".join(map(escaped, notes)), ""]
        named = ", ".join(dict.fromkeys(one.score.title for one in level))
        lines += [f"### {escaped(title)}", "", *(folded(escaped(named), inner) if len(level) > _LONG else inner)]
    return "\n".join(["## Agreement", "", *lines]) if lines else ""


def levels(found: Sequence[Agreement]) -> Iterator[tuple[str, list[Agreement]]]:
    """Yield each dataset and noise level as people read it, with its agreements."""
    for title, level in groupby(found, lambda one: level_text(one.dataset, one.noise, one.axis)):
        yield title, list(level)


def _number_rows(found: Sequence[Agreement]) -> tuple[list[str], list[list[str]]]:
    header = [*_WORDS, "Patients", "Bias", "Limits", "ICC"]
    rows = []
    for _, same in groupby(found, lambda one: (one.score, one.reference)):
        family = list(same)
        ends = [abs(end.value) for one in family for end in (one.limits.bias, one.limits.lower, one.limits.upper)]
        digits = decimals(max((end for end in ends if np.isfinite(end)), default=0.0), 3)
        for one in family:
            lower, upper = (_number(end.value, digits) for end in (one.limits.lower, one.limits.upper))
            bias = _text(one.limits.bias, digits)
            rows.append([*_named(one), bias, f"{lower} to {upper}" if lower else "", _text(one.icc, 3)])
    return header, rows


def _decision_rows(found: Sequence[Agreement]) -> tuple[list[str], list[list[str]]]:
    header = [*_WORDS, "Patients", "Agreed", "Kappa"]
    return header, [[*_named(one), _number(one.agreed, 2), _text(one.kappa, 2)] for one in found]


def _named(one: Agreement) -> list[str]:
    units = f" ({one.score.units})" if one.score.units else ""
    texts = (f"{one.score.title}{units}", title_of(one.reference.metric), one.config, str(one.patients))
    return [escaped(text) for text in texts]


def _text(estimate: Estimate, digits: int) -> str:
    """Return a value with its interval where it has one."""
    value, interval = _number(estimate.value, digits), estimate.interval
    return f"{value} [{interval.low:z.{digits}f}, {interval.high:z.{digits}f}]" if interval else value


def _number(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:z.{digits}f}"


def _reasons(found: Sequence[Agreement]) -> list[str]:
    """Say why values or intervals are missing, each reason once: of which rows, where it is not of all."""
    rows: dict[str, dict[str, None]] = {}
    for one in found:
        for reason in one.reasons:
            rows.setdefault(reason, {})[one.config] = None
    configs = {one.config for one in found}
    said = {reason: "" if set(named) == configs else f" ({', '.join(named)})" for reason, named in rows.items()}
    return [f"No interval or no value: {reason}{of}." for reason, of in said.items()]


_KINDS = (("number", _number_rows, _NUMBERS), ("decision", _decision_rows, _DECISIONS))
