"""Find the AIF of 93 simulated scans, and count whose it is: ``python -m benchmarks.input_functions --seed 1``.

Seeds 1 to 3 were developed on; seed 4 was looked at when that was done. ``--without-arteries`` inspects each scan once
more without its arteries: that gives wrong answers enough to see whether the confidence tells them from right ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import click
import numpy as np

from ctpbench import inspect_series
from ctpbench.scans.arrays import ArraySeries

from .heads_with_curves import PAIRS, SLICE_MM, Head, Pair, draw_pair, head_of, sampled

_VENOUS, _ARTERIAL = 1 / 3, 1 / 2  # share, of what the AIF's voxels show, that is blood of veins and of arteries


@dataclass(frozen=True)
class Verdict:
    """Whose AIF was found.

    Attributes
    ----------
    kind : str
        "arterial", "venous", "tissue" or "no artery".
    score : float
        The confidence; 0 where no artery was found.
    doubtful : bool
        Whether the inspection says so.
    correlation : float
        Of the AIF with that of the blood, or NaN.
    area : float
        Of the scaled AIF over that of the blood, or NaN.
    told : str
        What the inspection says.
    """

    kind: str
    score: float
    doubtful: bool
    correlation: float
    area: float
    told: str


def verdict(pair: Pair, head: Head) -> Verdict:
    """Inspect a scan and return whose AIF was found in it."""
    spacing_mm = (SLICE_MM, pair.pixel_mm, pair.pixel_mm)
    inspection = inspect_series(ArraySeries(head.frames, pair.times_s, spacing_mm))
    inputs = inspection.inputs
    if inputs is None:
        return Verdict("no artery", 0.0, False, np.nan, np.nan, inspection.no_artery)
    assert inputs.confidence is not None
    arterial, venous = (share[*inputs.aif.voxels.T].mean() for share in (head.arterial, head.venous))
    kind = "venous" if venous > _VENOUS else "arterial" if arterial >= _ARTERIAL else "tissue"
    true = sampled(pair.aif_hu, pair.times_s)
    return Verdict(
        kind,
        inputs.confidence.score,
        inputs.confidence.doubtful,
        float(np.corrcoef(inputs.aif.curve, true)[0, 1]),
        float(inputs.scaled_aif.sum() / true.sum()),
        f"confidence {inputs.confidence.score:.2f}; {'; '.join(inputs.notes)}",
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", default=1, show_default=True, help="Of the pairs and their heads.")
@click.option("--first", default=0, show_default=True, help="Number of the first pair.")
@click.option("--count", default=PAIRS, show_default=True, help="How many pairs.")
@click.option("--without-arteries", is_flag=True, help="Once more without its arteries, each.")
def main(seed: int, first: int, count: int, without_arteries: bool) -> None:
    """Print a line for each pair whose AIF is not plainly that of an artery, then the counts."""
    verdicts, spoilt = [], []
    for number in range(first, min(first + count, PAIRS)):
        pair = draw_pair(seed, number)
        verdicts.append(verdict(pair, head_of(pair)))
        if verdicts[-1].kind != "arterial" or verdicts[-1].doubtful:
            click.echo(_line(pair, verdicts[-1]))
        if without_arteries:
            spoilt.append(verdict(pair, head_of(pair, arteries_seen=False)))
            if spoilt[-1].kind != "no artery" and not spoilt[-1].doubtful:
                click.echo(f"without arteries: {_line(pair, spoilt[-1])}")
    click.echo(_counts(verdicts))
    for name in ("correlation", "area"):
        values = [getattr(each, name) for each in verdicts if each.kind != "no artery"]
        click.echo(f"{name}: {np.quantile(values, [0.05, 0.5, 0.95]).round(2)} (5%, median, 95%)")
    if without_arteries:
        click.echo(f"without arteries: {_counts(spoilt)}")
        click.echo(f"area under the curve of the confidence, right against wrong: {_area_under(verdicts + spoilt):.3f}")


def _line(pair: Pair, found: Verdict) -> str:
    late = ", late tissue" * pair.late + f", motion {pair.motion_mm:.1f} mm" * (pair.motion_mm > 0)
    return (
        f"{pair.number:2d} AIF {pair.aif_peak_hu:.0f} HU, VOF {pair.vof_hu.max():.0f} HU, noise {pair.noise_hu:.0f} "
        f"HU, {pair.heights_mm.size} slices{late}{', no trunk' * (not pair.trunks)}: {found.kind}; {found.told}"
    )


def _counts(verdicts: list[Verdict]) -> str:
    kinds = Counter(each.kind for each in verdicts)
    doubtful = Counter(each.kind for each in verdicts if each.doubtful)
    return (
        f"{len(verdicts)} scans: found {len(verdicts) - kinds['no artery']}, "
        + ", ".join(f"{kind} {kinds[kind]} ({doubtful[kind]} doubtful)" for kind in ("arterial", "venous", "tissue"))
        + f", no artery {kinds['no artery']}"
    )


def _area_under(verdicts: list[Verdict]) -> float:
    """Return how often a right AIF has the higher confidence than a wrong one; NaN where there are none of either."""
    right, wrong = (
        np.array([each.score for each in verdicts if each.kind in kinds])
        for kinds in (("arterial",), ("venous", "tissue"))
    )
    if not (right.size and wrong.size):
        return float("nan")
    higher, level = (compare(right[:, np.newaxis], wrong).mean() for compare in (np.greater, np.equal))
    return float(higher + 0.5 * level)


if __name__ == "__main__":
    main()
