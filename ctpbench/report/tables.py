"""The leaderboard and the claims held against it as people read them: Markdown, and tables on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.outcome.claims import Judgement
from ctpbench.outcome.leaderboard import EDGE, Score, cost, decimals, rounded
from ctpbench.text import level_text, noise_column

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = [f"{metric}_{name}" for metric in ("rmse", "ssim") for name in ("cbf", "cbv", "mtt")]
_MOST_SHOWN = 6
_BEFORE, _AFTER = (("Rank", ""), ("Method", ""), ("Tuned", "")), (("s/case", ""), ("Status", ""))
_TEXT_COLUMNS = ("Method", "Tuned", "Status")


@dataclass(frozen=True)
class _Table:
    """One dataset and noise level as people read it; `best` holds the (row, column) to be set in bold."""

    title: str
    header: list[tuple[str, str]]
    rows: list[list[str]]
    best: set[tuple[int, int]]
    notes: list[str]
    failures: list[str]


def to_markdown(frame: pd.DataFrame, description: str = "") -> str:
    """Return one Markdown table for each dataset and noise level, with the columns people compare.

    `description`, which may itself be Markdown, comes before them.
    """
    lines = ["# Leaderboard", "", *([description.strip(), ""] if description.strip() else [])]
    lines += [] if len(frame) else ["No cell has finished.", ""]
    for table in _tables(frame, spread=True):
        header = [f"{title} ({units})" if units else title for title, units in table.header]
        cells = [
            [f"**{text}**" if (i, j) in table.best else _escaped(text) for j, text in enumerate(row)]
            for i, row in enumerate(table.rows)
        ]
        align = [":---" if title in _TEXT_COLUMNS else "---:" for title in header]
        lines += [f"## {_escaped(table.title)}", ""]
        lines += [f"| {' | '.join(row)} |" for row in (header, align, *cells)]
        lines += ["", " ".join(_escaped(note) for note in table.notes), ""]
        lines += [f"- {_escaped(failure)}" for failure in table.failures]
        lines += [""] if table.failures else []
    return "\n".join(lines)


def print_table(frame: pd.DataFrame, console: Console) -> None:
    """Print the leaderboard on a terminal of 100 columns: means only, tuned values below the label."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if frame.empty:
        console.print("No cell has finished.")
    for table in _tables(frame, spread=False):
        shown = Table(title=Text(table.title, "bold"), box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
        shown.add_column("#", justify="right")
        shown.add_column("Method", overflow="fold")
        for title, _ in table.header[len(_BEFORE) : -1]:
            shown.add_column(title.replace(" ", "\n", 1), justify="right", no_wrap=True, vertical="top")
        shown.add_column("Status", overflow="fold")
        for i, (rank, method, tuned, *cells, status) in enumerate(table.rows):
            label = Text(method).append(f"\n{tuned}", "dim") if tuned else Text(method)
            numbers = [Text(text, "bold" if (i, j) in table.best else "") for j, text in enumerate(cells, len(_BEFORE))]
            shown.add_row(rank, label, *numbers, Text(status, "" if status == "ok" else "red"))
        console.print(shown)
        units = [f"{title} in {units}" for title, units in table.header if units]
        console.print(Text(" ".join([*table.notes, *([", ".join(units) + "."] if units else [])]), "dim"))
        for failure in table.failures:
            console.print(Text(failure, "red"))
        console.print()


def scans_markdown(tree: xr.DataTree) -> str:
    """Return a section that says of which recorded scans the inspection warns; nothing where none was inspected."""
    lines: list[str] = []
    for label, node in tree.children.items():
        if "inspections" not in node.children:
            continue
        scans = node.children["inspections"].to_dataset(inherit=False)
        if "warnings" not in scans:
            continue
        told = zip(*(scans[name].values for name in ("inspected_case", "inspected_noise", "warnings")), strict=True)
        warned = [f"- {_escaped(level_text(f'{label}, {case}', float(n)))}: {_escaped(w)}" for case, n, w in told if w]
        lines += [f"{label}: of {scans.sizes['scan']} inspected scans {len(warned)} have warnings.", "", *warned]
    return "\n".join(["## Recorded scans", "", *lines, ""]) if lines else ""


def claims_markdown(title: str, judgements: Sequence[Judgement]) -> str:
    """Return a section with a table of claims: a line for each noise level of each."""
    rows = []
    for judgement in judgements:
        for i, finding in enumerate(judgement.findings):
            told = (judgement.says, noise_column(finding.noise), judgement.paper, finding.ours, finding.verdict)
            rows.append(["" if i and column in (0, 2) else _escaped(text) for column, text in enumerate(told)])
    header, align = ["Claim", "Noise", "Paper", "Ours", "Verdict"], [":---", "---:", ":---", ":---", ":---"]
    lines = ["## Claims", "", f"{_escaped(title)}. {tally(judgements)}", ""]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in (header, align, *rows)), ""])


def faults_markdown(faults: str) -> str:
    """Return a section that says why there is no table of claims."""
    return "\n".join(["## Claims", "", *(f"- {_escaped(fault)}" for fault in faults.splitlines()), ""])


def tally(judgements: Sequence[Judgement]) -> str:
    """Return how many claims reproduce: at every noise level, that is."""
    count = sum(judgement.verdict == "reproduces" for judgement in judgements)
    return f"{count} of {len(judgements)} claims reproduce."


def _tables(frame: pd.DataFrame, spread: bool) -> Iterator[_Table]:
    """Yield what people read, a table for each dataset and noise level; `spread` adds the deviations."""
    levels = zip(frame["dataset"], frame["noise"], strict=True)
    titles = [level_text(str(dataset), float(noise)) for dataset, noise in levels]
    for title in dict.fromkeys(titles):
        block = frame[[other == title for other in titles]]
        known = {s.column: s for s in frame.attrs["scores"] if block[s.column].notna().any()}
        shown = [known[name] for name in _SHOWN if name in known] or list(known.values())[:_MOST_SHOWN]
        by = known.get(block["rank_by"].iloc[0])
        shown = [by, *shown] if by and by not in shown else shown
        well = block[block["status"] == "ok"]  # these come first: places in it are places in the block
        seconds = zip(block["total_s"], block["contended"], strict=True)
        columns = [
            ["" if pd.isna(rank) else str(rank) for rank in block["rank"]],
            list(block["config"]),
            list(block["tuned"]),
            *(_score_texts(block, score.column, spread) for score in shown),
            [rounded(total_s, 3) + "*" * contended for total_s, contended in seconds],
            list(block["status"]),
        ]
        yield _Table(
            title,
            header=[*_BEFORE, *((score.title, score.units) for score in shown), *_AFTER],
            rows=[list(row) for row in zip(*columns, strict=True)],
            best={
                (i, j) for j, score in enumerate(shown, len(_BEFORE)) for i in _best(well[score.column], score.better)
            },
            notes=_notes(block, by, spread),
            failures=[f"{r.config}: {r.status}: {r.message}" for r in block[len(well) :].itertuples()],
        )


def _notes(block: pd.DataFrame, by: Score | None, spread: bool) -> list[str]:
    scored = block[block["n_cases"] > 0]
    notes = ["s/case: median seconds for denoising and maps."]
    if len(scored):
        mean = "mean ± standard deviation" if spread and scored["n_cases"].max() > 1 else "mean"
        over = _counted(scored["n_cases"], "case")
        seeds = f" and {_counted(scored['n_seeds'], 'seed')}" if scored["n_seeds"].max() > 1 else ""
        notes.insert(0, f"Scores: {mean} over {over}{seeds}.")
    if block["contended"].any():
        notes.append("*: timed while other cells ran on the same machine.")
    if block["tuned"].str.contains(EDGE, regex=False).any():
        notes.append("(edge): the end of the values tried; a wider range may do better.")
    fitted = block[block["fit_s"].notna()]
    if len(fitted):
        seconds = zip(fitted["config"], fitted["fit_s"], strict=True)
        notes.append(f"Trained in: {', '.join(f'{config} {rounded(fit_s, 3)} s' for config, fit_s in seconds)}.")
    learnt = block[block["trained_on"] != ""]
    notes += [
        f"{config} learnt from {where}." for config, where in zip(learnt["config"], learnt["trained_on"], strict=True)
    ]
    notes += [f"Left out: {told}." for told in dict.fromkeys(block["left_out"]) if told]
    if machines := sorted(set(block["hardware"]) - {""}):
        notes.append(f"Timed on {' and '.join(machines)}.")
    words = {"lower": "lower is better", "higher": "higher is better", "zero": "nearer to zero is better"}
    ranked = f"Ranked by {by.title}, {words[by.better]}." if by else "Not ranked: no score applies."
    return [ranked, *notes]


def _counted(numbers: pd.Series[int], noun: str) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return f"{most if least == most else f'{least} to {most}'} {noun}{'' if most == 1 else 's'}"


def _best(values: pd.Series[float], better: str) -> list[int]:
    """Places of the best value, where there is another to be better than."""
    costs = cost(values.to_numpy(), better)
    return list(np.flatnonzero(costs == np.nanmin(costs))) if values.notna().sum() > 1 else []


def _score_texts(block: pd.DataFrame, column: str, spread: bool) -> list[str]:
    """One column's scores with decimals in common, so that they compare at a glance."""
    values, deviations = block[column].to_numpy(), block[f"{column}_std"].to_numpy()
    largest = np.max(np.abs(values), initial=0, where=np.isfinite(values))
    common = decimals(largest, 4 if largest >= 1 else 3)
    texts = []
    for value, deviation in zip(values, deviations, strict=True):
        own = max(common, decimals(value, 2))  # a value far below the others keeps two digits
        spread_text = f" ± {deviation:.{own}f}" if spread and np.isfinite(deviation) else ""
        texts.append("" if np.isnan(value) else f"{value:.{own}f}{spread_text}")
    return texts


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, inside a table too; underscores within words stay."""
    return re.sub(r"[\\|*<`\[]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])", r"\\\g<0>", " ".join(text.split()))
