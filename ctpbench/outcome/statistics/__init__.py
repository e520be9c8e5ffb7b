"""Scores per patient become verdicts: intervals, tests between rows, ranks, agreement, and how many patients it takes.

Pure functions of arrays. The unit is the patient everywhere: `patient_means` first, then the rest.
"""

from __future__ import annotations

from ctpbench.outcome.statistics.agreement import BlandAltman, bland_altman, cohens_kappa, intraclass_correlation
from ctpbench.outcome.statistics.estimate import LEAST_PATIENTS, Estimate, Interval
from ctpbench.outcome.statistics.intervals import mean_interval, patient_means
from ctpbench.outcome.statistics.outliers import outlying
from ctpbench.outcome.statistics.pairs import (
    Pair,
    equals_of_leader,
    holm,
    pair_of,
    paired_differences,
    patient_differences,
)
from ctpbench.outcome.statistics.power import patients_needed, smallest_difference
from ctpbench.outcome.statistics.ranks import Rank, Ranking, rank_intervals, rank_text
from ctpbench.outcome.statistics.ratio import relative_lead

__all__ = [
    "LEAST_PATIENTS",
    "BlandAltman",
    "Estimate",
    "Interval",
    "Pair",
    "Rank",
    "Ranking",
    "bland_altman",
    "cohens_kappa",
    "equals_of_leader",
    "holm",
    "intraclass_correlation",
    "mean_interval",
    "outlying",
    "pair_of",
    "paired_differences",
    "patient_differences",
    "patient_means",
    "patients_needed",
    "rank_intervals",
    "rank_text",
    "relative_lead",
    "smallest_difference",
]
