"""Claims and what results say to them as people read them: a section of the page, and on a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ctpbench.outcome.claims import Judgement
from ctpbench.outcome.claims.judgement import Finding
from ctpbench.outcome.statistics import LEAST_PATIENTS
from ctpbench.report.columns import table_of
from ctpbench.report.markdown import escaped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {"holds": "green", "fails": "red", "undecided": "yellow"}
_LEAST_WIDTH = 72  # characters that a terminal needs for what ours say and the verdict side by side


def claims_markdown(title: str, judgements: Sequence[Judgement]) -> str:
    """Return a section with a list of claims, and in each what the paper says, an item for each noise level, a comment.

    A list and no table: it can be read however narrow the page is.
    """
    lines = [line for number, judgement in enumerate(judgements, 1) for line in _claim_lines(number, judgement)]
    note = escaped(verdicts_note(judgements))
    return "\n".join(["## Claims", "", f"{escaped(title)}. {tally(judgements)} {note}", "", *lines])


def _claim_lines(number: int, judgement: Judgement) -> Iterator[str]:
    mark = f"{number}. "
    indent = " " * len(mark)
    yield f"{mark}**{escaped(judgement.says)}:** {judgement.verdict}"
    yield ""
    yield f"{indent}Paper: {escaped(judgement.paper)}"
    yield ""
    yield from (f"{indent}- {escaped(_finding_text(finding))}" for finding in judgement.findings)
    yield ""
    if comment := judgement.comment.strip():
        yield f"{textwrap.indent(comment, indent)}\n"


def _finding_text(finding: Finding) -> str:
    level = "" if finding.noise is None else f"{finding.level}: "
    return f"{level}{finding.text}; {finding.ours}"


def faults_markdown(faults: str) -> str:
    """Return a section that says why there are no verdicts."""
    return "\n".join(["## Claims", "", *(f"- {escaped(fault)}" for fault in faults.splitlines()), ""])


def print_claims(title: str, judgements: Sequence[Judgement], console: Console) -> None:
    """Print each claim with what its paper reports and a line for each noise level, and how many hold."""
    from rich.text import Text

    console.print(Text(title))
    for number, judgement in enumerate(judgements, 1):
        console.print()
        console.print(Text(f"{number}. {judgement.says}", "bold"))
        console.print(Text(f"Paper: {judgement.paper}", "dim"))
        console.print(_findings_table(judgement.findings, console.width))
        if comment := judgement.comment.strip():
            console.print(Text("\n\n".join(_paragraphs(comment)), "dim"))
    console.print()
    console.print(Text(verdicts_note(judgements), "dim"))
    console.print(tally(judgements))


def _findings_table(findings: Sequence[Finding], width: int) -> Table:
    """Return a line for each noise level; where a terminal is narrow, the verdict above what ours say."""
    from rich.text import Text

    wide = width >= _LEAST_WIDTH
    table = table_of(("Noise", "Ours", "Verdict") if wide else ("Noise", "Verdict"), ())
    table.columns[0].no_wrap = True
    for finding in findings:
        verdict, ours = Text(finding.text, _STYLES[finding.verdict]), Text(finding.ours)
        cells = (ours, verdict) if wide else (Text("\n").join((verdict, ours)),)
        table.add_row(finding.level, *cells)
    return table


def _paragraphs(text: str) -> Iterator[str]:
    """Yield a comment's paragraphs, each in one line, for a terminal has its own width; lists and code stay."""
    for paragraph in re.split(r"\n\s*\n", text):
        as_written = re.search(r"^([-*+] |[#>|]|\d+[.)] |```|    )", paragraph, re.MULTILINE)
        yield paragraph if as_written else " ".join(paragraph.split())


def tally(judgements: Sequence[Judgement]) -> str:
    """Return how many claims hold, at every noise level, that is, and how many of them by values alone."""
    holding = [judgement for judgement in judgements if judgement.verdict == "holds"]
    by_values = sum(judgement.by_values for judgement in holding)
    without = "" if not by_values else f", {'all' if by_values == len(holding) else by_values} without an interval"
    return f"{len(holding)} of {len(judgements)} claims hold{without}."


def verdicts_note(judgements: Sequence[Judgement]) -> str:
    """Return what the verdicts mean, and what those mean that go by no interval, where there are such."""
    note = (
        "A claim holds where the 95% intervals over patients lie where it says, fails where one lies wholly elsewhere, "
        "and is undecided where one covers both or something is missing."
    )
    if any(finding.reason for judgement in judgements for finding in judgement.findings):
        note += (
            " No interval: the verdict goes by values alone and says nothing of other patients; an interval needs "
            f"{LEAST_PATIENTS} patients and results that say whose each case is, and trials and times have none."
        )
    return note
