"""Slow, obvious twins of the statistics, and what is done without them."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import stats

from ctpbench.outcome.statistics import Estimate, Interval


def holm(p_values):
    """Step by step: the smallest times how many are left, never below the one before."""
    left = {i: p for i, p in enumerate(p_values) if not np.isnan(p)}
    adjusted, floor = [np.nan] * len(p_values), 0.0
    while left:
        i = min(left, key=left.get)
        floor = max(floor, min(left.pop(i) * (len(left) + 1), 1.0))
        adjusted[i] = floor
    return adjusted


def exact_bca(values, confidence):
    """BCa of the mean over every one of the n^n resamples, Efron (1987), at the level of Hesterberg (2015)."""
    n, mean = len(values), np.mean(values)
    means = np.sort([np.mean(chosen) for chosen in product(values, repeat=n)])
    below = (np.sum(means < mean - 1e-12) + np.sum(means <= mean + 1e-12)) / 2
    z0 = stats.norm.ppf(below / len(means))
    left_out = np.array([np.mean(np.delete(values, i)) for i in range(n)])
    deviations = left_out.mean() - left_out
    a = np.sum(deviations**3) / (6 * np.sum(deviations**2) ** 1.5)
    z = stats.t.ppf((1 - confidence) / 2, n - 1) * np.sqrt(n / (n - 1))
    return [np.quantile(means, stats.norm.cdf(z0 + (z0 + end) / (1 - a * (z0 + end)))) for end in (z, -z)]


def plain_bca(values, resamples):
    """BCa at the nominal level, as scipy has it."""
    found = stats.bootstrap((values,), np.mean, n_resamples=resamples, random_state=np.random.default_rng(0))
    return Estimate(float(np.mean(values)), Interval(*map(float, found.confidence_interval)), len(values))


def two_level_percentile(table, resamples, rng):
    """Seeds and patients of a (seed, group) table both resampled, at the level of Hesterberg for patients."""
    seeds, n = table.shape
    rows = rng.integers(seeds, size=(resamples, seeds))
    columns = rng.integers(n, size=(resamples, n))
    means = table[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2))
    tail = stats.norm.cdf(stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(float(table.mean()), Interval(float(low), float(high)), n)


def rank_intervals(costs, patients, confidence):
    """Row by row and resample by resample, of (row, group) costs and (resample, group) indices."""
    ranks = [[] for _ in costs]
    for chosen in patients:
        means = [sum(row[i] for i in chosen) / len(chosen) for row in costs]
        for row, mean in enumerate(means):
            ranks[row].append(1 + sum(other < mean for other in means))
    ends = []
    for row in map(sorted, ranks):
        low = row[int(np.ceil((1 - confidence) / 2 * len(row))) - 1]
        high = row[int(np.ceil((1 + confidence) / 2 * len(row))) - 1]
        ends.append((low, high))
    return ends


def icc(ratings):
    """Variance components by ANOVA, entry by entry: the share that patients have in the variance of a rating."""
    (n, k), mean = ratings.shape, ratings.mean()
    by_patient, by_rater = [row.mean() for row in ratings], [column.mean() for column in ratings.T]
    rest = [(ratings[i, j] - by_patient[i] - by_rater[j] + mean) ** 2 for i in range(n) for j in range(k)]
    of_rest = sum(rest) / ((n - 1) * (k - 1))
    of_patients = (sum(k * (one - mean) ** 2 for one in by_patient) / (n - 1) - of_rest) / k
    of_raters = (sum(n * (one - mean) ** 2 for one in by_rater) / (k - 1) - of_rest) / n
    return of_patients / (of_patients + of_raters + of_rest)
