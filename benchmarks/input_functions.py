"""Find the AIF of 93 simulated scans, and count whose it is: ``python -m benchmarks.input_functions --seed 1``.

Seed 1 is for developing; seed 2 is to be looked at when that is done.
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
        return Verdict("no artery", False, np.nan, np.nan, inspection.no_artery)
    assert inputs.confidence is not None
    arterial, venous = (share[*inputs.aif.voxels.T].mean() for share in (head.arterial, head.venous))
    kind = "venous" if venous > _VENOUS else "arterial" if arterial >= _ARTERIAL else "tissue"
    true = sampled(pair.aif_hu, pair.times_s)
    return Verdict(
        kind,
        inputs.confidence.doubtful,
        float(np.corrcoef(inputs.aif.curve, true)[0, 1]),
        float(inputs.scaled_aif.sum() / true.sum()),
        f"confidence {inputs.confidence.score:.2f}; {'; '.join(inputs.notes)}",
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", default=1, show_default=True, help="Of the pairs and their heads.")
@click.option("--first", default=0, show_default=True, help="Number of the first pair.")
@click.option("--count", default=PAIRS, show_default=True, help="How many pairs.")
def main(seed: int, first: int, count: int) -> None:
    """Print a line for each pair whose AIF is not plainly that of an artery, then the counts."""
    verdicts = []
    for number in range(first, min(first + count, PAIRS)):
        pair = draw_pair(seed, number)
        found = verdict(pair, head_of(pair))
        verdicts.append(found)
        if found.kind != "arterial" or found.doubtful:
            late = ", late tissue" * pair.late + f", motion {pair.motion_mm:.1f} mm" * (pair.motion_mm > 0)
            click.echo(
                f"{number:2d} AIF {pair.aif_peak_hu:.0f} HU, VOF {pair.vof_hu.max():.0f} HU, noise {pair.noise_hu:.0f} "
                f"HU, {pair.heights_mm.size} slices{late}{', no trunk' * (not pair.trunks)}: {found.kind}; {found.told}"
            )
    kinds = Counter(each.kind for each in verdicts)
    doubtful = Counter(each.kind for each in verdicts if each.doubtful)
    click.echo(
        f"{len(verdicts)} scans: found {len(verdicts) - kinds['no artery']}, "
        + ", ".join(f"{kind} {kinds[kind]} ({doubtful[kind]} doubtful)" for kind in ("arterial", "venous", "tissue"))
        + f", no artery {kinds['no artery']}"
    )
    for name in ("correlation", "area"):
        values = [getattr(each, name) for each in verdicts if each.kind != "no artery"]
        click.echo(f"{name}: {np.quantile(values, [0.05, 0.5, 0.95]).round(2)} (5%, median, 95%)")


if __name__ == "__main__":
    main()
