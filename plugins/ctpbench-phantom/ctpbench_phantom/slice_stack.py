"""Single slices as cases, numbered from the lowest up and divided into splits with gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ctpbench import Split
from ctpbench_phantom.simulated_scan import SimulatedScan


class SliceStack(SimulatedScan):
    """Base of the datasets whose cases are slices of one head: from the lowest up test, gap, validation, gap, train."""

    train_slices: Annotated[int, Field(ge=0, examples=[1], description="slices of the training split")] = 50
    validation_slices: Annotated[int, Field(ge=0, examples=[1], description="slices of the validation split")] = 5
    test_slices: Annotated[int, Field(ge=1, examples=[1], description="slices of the test split")] = 15
    gap_slices: Annotated[int, Field(ge=0, description="slices left out between two splits")] = 5
    slice_step: Annotated[int, Field(ge=1, description="take every n-th slice within a split")] = 1

    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's slices, such as ``slice-057``."""
        lowest = self.lowest()
        return [f"slice-{lowest + index:03d}" for index in self.indices()[split]]

    def lowest(self) -> int:
        """Return the number of the lowest slice."""
        return 0

    def indices(self) -> dict[Split, range]:
        """Return each split's slices, counted from the lowest, which is 0."""
        counts: dict[Split, int] = {
            "test": self.test_slices,
            "validation": self.validation_slices,
            "train": self.train_slices,
        }
        indices: dict[Split, range] = {}
        start = 0
        for split, count in counts.items():
            indices[split] = range(start, start + count * self.slice_step, self.slice_step)
            if count:
                start = indices[split][-1] + 1 + self.gap_slices
        return indices

    def highest_index(self) -> int:
        """Return the last slice that any split holds, counted from the lowest, which is 0."""
        return max(index for indices in self.indices().values() for index in indices)

    @staticmethod
    def number(case_id: str) -> int:
        """Return the number of a case's slice."""
        return int(case_id.removeprefix("slice-"))
