"""What a recorded scan is like: masks, input functions, noise, motion; one pass over it, a few slices at a time."""

from ctpbench.scans.inspection.findings import INDEPENDENT
from ctpbench.scans.inspection.inspection import Inspection, inspect_series

__all__ = ["INDEPENDENT", "Inspection", "inspect_series"]
