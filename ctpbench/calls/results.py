"""The results of a run as tidy tables: a line for each value, columns that say whose it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.calls.words import in_python
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.claims import FILE_NAME, judge, load_claims
from ctpbench.outcome.comparison import Comparison, comparisons, levels_of
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.quality import GROUP
from ctpbench.outcome.variables import PATIENT
from ctpbench.report.folder import results_of
from ctpbench.running.index import PlannedCell
from ctpbench.text import did_you_mean

_PLACE = ["dataset", "noise", "config", "seed"]
_SCORE = [*_PLACE, "case", "patient", "metric", "map", "roi", "time", "frequency", "value"]
_SHOWN = ("dataset", "noise", "rank", "config", "relative", "total_s", "status")


class Results:
    """The results of a run.

    Each table is a pandas DataFrame, made when it is first asked for. ``noise`` is NaN where a suite names none,
    ``config`` the row's label.

    Attributes
    ----------
    folder : Path
        The run's folder; of a results.nc the folder that it lies in.
    tree : DataTree
        All that the tables are made from, with where it comes from in its attributes.
    """

    def __init__(self, tree: xr.DataTree, folder: Path, cells: Sequence[PlannedCell] = ()) -> None:
        self.tree, self.folder, self._cells = tree, folder, cells

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """The ranked rows, as in leaderboard.csv: see `ctpbench.outcome.leaderboard.leaderboard`."""
        return leaderboard(self.tree)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A line for each number that a metric gave.

        ``map``, ``roi``, ``time`` (s) and ``frequency`` (1/mm) are empty or NaN where a metric does not keep them.
        """
        frames = [_scores(str(label), node.to_dataset(inherit=False)) for label, node in self.tree.children.items()]
        return _joined(frames, _SCORE)

    @cached_property
    def learning(self) -> pd.DataFrame:
        """What training logged: a line for each quantity at each step."""
        return _joined(self._children("learning"), [*_PLACE, "quantity", "step", "value"])

    @cached_property
    def trials(self) -> pd.DataFrame:
        """What tuning tried, a line for each trial: a column ``parameter_...`` for each parameter, and its score.

        A trial that was stopped early has no score: ``so_far`` is the mean over the first ``scored_on`` of ``cases``.
        """
        found = _joined(self._children("trials"), [*_PLACE, "parameters", "value", "status", "message"])
        tried = [json.loads(text) for text in found.pop("parameters")]
        names = dict.fromkeys(name for each in tried for name in each)
        columns = {f"parameter_{name}": [each.get(name) for each in tried] for name in names}
        return pd.concat([found, pd.DataFrame(columns, index=found.index)], axis=1)

    @cached_property
    def cases(self) -> pd.DataFrame:
        """What each test case is like at each noise level: its patient, and numbers such as noise and volumes."""
        frames = []
        for label, node in self.tree.children.items():
            if GROUP in node.children:
                data = node.children[GROUP].to_dataset()
                aside = [name for name in data.coords if name not in ("case", "noise")]
                table = data.drop_vars(aside).to_dataframe().reset_index()
                patients = _patients(node.to_dataset(inherit=False))
                frames.append(table.assign(dataset=str(label), patient=table["case"].map(patients)))
        return _joined(frames, ["dataset", "noise", "case", "patient"])

    @cached_property
    def claims(self) -> pd.DataFrame:
        """What a paper states and what these results say to it, a line for each noise level; empty without claims."""
        path = self.folder / FILE_NAME
        judged = judge(load_claims(path), self.tree, self._cells, self.leaderboard) if path.is_file() else []
        rows = [
            (each.says, each.paper, finding.noise, finding.ours, finding.text, each.verdict)
            for each in judged
            for finding in each.findings
        ]
        frame = pd.DataFrame(rows, columns=["says", "paper", "noise", "ours", "verdict", "overall"])
        return frame.astype({"noise": "float64"})

    def comparison(
        self,
        first: str,
        second: str,
        *,
        by: str | None = None,
        dataset: str | None = None,
        noise: float | None = None,
        by_patient: bool = False,
    ) -> pd.DataFrame:
        """Hold two rows against each other, patient by patient.

        Parameters
        ----------
        first, second : str
            Labels of rows.
        by : str or None
            A score column of the leaderboard; None: the one that ranks.
        dataset, noise
            Only this dataset or noise level.
        by_patient : bool
            A line for each patient instead of one for each dataset and noise level.

        Returns
        -------
        DataFrame
            ``difference`` is how much better the first row is, above 0 where it is better, in the score's units; `low`
            and `high` are its 95% interval over patients, `p` of no difference, where there are enough of them.

        Raises
        ------
        InputError, ResultError
            Where there is no such row, score, dataset or noise level.
        """
        with in_python():
            levels = levels_of(comparisons(self.tree, by), dataset, noise)
            labels = list(dict.fromkeys(row.label for compared in levels.values() for row in compared.rows))
            for name in (first, second):
                if name not in labels:
                    raise InputError(
                        f"comparison: no row {name!r} that went well{did_you_mean(name, labels)}; "
                        f"there are: {', '.join(labels)}"
                    )
        rows: list[dict[str, Any]] = []
        for (label, level), compared in levels.items():
            if {first, second} <= {row.label for row in compared.rows}:
                place = {"dataset": label, "noise": np.nan if level is None else level, "score": compared.score.column}
                made = _by_patient if by_patient else _over_patients
                rows += [{**place, **row} for row in made(compared, first, second)]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        name = self.tree.attrs.get("suite", "")
        board = self._board().to_string(index=False, na_rep="")
        return f"Results of {name!r} in {self.folder}: {len(self.leaderboard)} rows\n{board}"

    def _repr_html_(self) -> str:
        return str(self._board().to_html(index=False, na_rep=""))

    def _board(self) -> pd.DataFrame:
        """The leaderboard as far as it fits a page: what ranks, and the other scores of its kind."""
        ranking = [column for column in dict.fromkeys(self.leaderboard["rank_by"]) if column]
        return self.leaderboard[[*_SHOWN[:5], *ranking, *_SHOWN[5:]]]

    def _children(self, name: str) -> Iterator[pd.DataFrame]:
        """Yield a group of each dataset that has it as a table."""
        prefix = {"trials": "trial_", "learning": "learning_"}[name]
        for label, node in self.tree.children.items():
            if name in node.children:
                table = node.children[name].to_dataset(inherit=False).to_dataframe()
                columns = {f"{prefix}{part}": part for part in _PLACE[1:]}
                yield table.rename(columns=columns).assign(dataset=str(label))


def open_results(path: str | os.PathLike[str]) -> Results:
    """Return the results of a run's folder, of one of ``leaderboards/``, or of a results.nc.

    Raises
    ------
    ResultError
        Where there are none, or of another format: one line.
    """
    place = Path(path)
    with in_python():
        if not place.exists():
            raise ResultError(f"{place}: no such file or folder; name the folder of a run, or a results.nc")
        tree, cells = results_of(place)
    return Results(tree, place if place.is_dir() else place.parent, cells)


def _scores(dataset: str, data: xr.Dataset) -> pd.DataFrame:
    """Return the scores of a dataset's group, a line for each number."""
    frames = []
    for name, values in data.data_vars.items():
        if "better" not in values.attrs:
            continue
        alone = values.drop_vars([coord for coord in values.coords if coord not in values.dims])
        table = alone.to_dataframe(name="value").reset_index().dropna(subset="value")
        frames.append(table.assign(dataset=dataset, metric=str(name)))
    joined = _joined(frames, [column for column in _SCORE if column != "patient"])
    joined.insert(_SCORE.index("patient"), "patient", joined["case"].map(_patients(data)))
    return joined


def _patients(data: xr.Dataset) -> dict[str, str]:
    """Return whose each case is, by case; empty texts where older results do not say."""
    cases = [str(case) for case in data["case"].values]
    whose = map(str, data[PATIENT].values) if PATIENT in data.coords else [""] * len(cases)
    return dict(zip(cases, whose, strict=True))


def _joined(frames: Iterator[pd.DataFrame] | Sequence[pd.DataFrame], first: list[str]) -> pd.DataFrame:
    """Return tables below each other, some columns first; of an axis that a table lacks the text is empty."""
    tables = [frame for frame in frames if len(frame)]
    if not tables:
        return pd.DataFrame(columns=first)
    joined = pd.concat(tables, ignore_index=True)
    columns = [*first, *(column for column in joined.columns if column not in first)]
    joined = joined.reindex(columns=columns)
    texts = [column for column in ("map", "roi") if column in columns]
    joined[texts] = joined[texts].astype(object).where(joined[texts].notna(), "")
    return joined


def _over_patients(compared: Comparison, first: str, second: str) -> list[dict[str, Any]]:
    places = [compared.place(name) for name in (first, second)]
    pair, means = compared.pair(*places), [compared.means[place].value for place in places]
    ends = pair.difference.interval
    return [
        {
            first: means[0],
            second: means[1],
            "difference": pair.difference.value,
            "low": ends.low if ends else np.nan,
            "high": ends.high if ends else np.nan,
            "p": np.nan if pair.p is None else pair.p,
            "n_patients": pair.difference.patients,
            "remark": pair.difference.reason,
        }
    ]


def _by_patient(compared: Comparison, first: str, second: str) -> list[dict[str, Any]]:
    places = [compared.place(name) for name in (first, second)]
    values = [compared.by_patient(place) for place in places]
    rows = zip(compared.patients, *values, compared.differences(*places), strict=True)
    return [{"patient": patient, first: a, second: b, "difference": c} for patient, a, b, c in rows]
