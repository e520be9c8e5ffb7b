"""What is estimated from patients: a value, its interval where it has one, and why it has none."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_PATIENTS = 6
"""With fewer patients there is no interval and no test; of five, even an exact sign test has no p-value below 0.05."""


@dataclass(frozen=True)
class Interval:
    """Both ends of an interval, finite, in the units of what it is of."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A value estimated from patients.

    Attributes
    ----------
    value : float
        NaN where there is none.
    interval : Interval or None
        None where none can be had.
    patients : int
        How many patients it is of.
    reason : str
        Why there is no interval or no value, in a few words; empty where there are both.
    """

    value: float
    interval: Interval | None
    patients: int
    reason: str = ""


def few(patients: int, what: str = "an interval") -> str:
    """Return why so many patients are too few, nothing where they are enough.

    >>> few(3), few(6)
    ('3 patients; an interval needs 6', '')
    """
    if patients >= LEAST_PATIENTS:
        return ""
    return f"{patients} patient{'' if patients == 1 else 's'}; {what} needs {LEAST_PATIENTS}"


def check_share(name: str, value: float) -> None:
    """Raise a `ValueError` where a confidence, a level or a power is no share."""
    if not 0 < value < 1:
        raise ValueError(f"{name}: got {value:g}; allowed: above 0 and below 1, such as 0.95")
