"""The cases of one split of one dataset at one noise level, and the work that loads them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ctpbench.code import digest
from ctpbench.contract.components import Split
from ctpbench.running.work import ComponentSpec, DataTask, Input, Inputs, Item
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis, level_text, shown


@dataclass(frozen=True)
class Member:
    """A case of a set: a dataset's case at one draw of its noise. `key` is that of its data entry."""

    case: str
    replicate: int
    patient: str
    key: str

    @property
    def name(self) -> str:
        """What results call it."""
        return f"{self.case} #{self.replicate + 1}" if self.replicate else self.case


@dataclass(frozen=True)
class CaseSet:
    """The cases of one split of one dataset at one noise level."""

    label: str
    dataset: ComponentSpec
    split: Split
    noise: float | None
    members: tuple[Member, ...]
    axis: NoiseAxis = UNKNOWN_AXIS

    @cached_property
    def cases(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(member.key for member in self.members)

    @cached_property
    def patients(self) -> tuple[str, ...]:
        return tuple(member.patient for member in self.members)

    @cached_property
    def key(self) -> str:
        return digest(self.cases, self.keys)

    @property
    def level(self) -> str:
        """The dataset and its noise level, as people read them."""
        return level_text(self.label, self.noise, self.axis)

    @property
    def names(self) -> tuple[str, ...]:
        """What the cases are called among those of other noise levels, which may differ in the last digit only."""
        return tuple(f"{case}, noise {shown(self.noise)}" for case in self.cases)

    def items(self) -> list[Item]:
        """Return the work that loads the cases. All noise levels of a case share a process, and what it caches."""
        return [
            Item(
                key=member.key,
                task=DataTask(dataset=self.dataset, case=member.case, noise=self.noise, replicate=member.replicate),
                group=f"data {self.label} {member.case}",
                label=f"{self.level}, {member.name}",
            )
            for member in self.members
        ]

    def without(self, cases: Container[str]) -> CaseSet:
        """Return the set without some of its cases."""
        return replace(self, members=tuple(member for member in self.members if member.name not in cases))

    def part(self, start: int, stop: int) -> CaseSet:
        """Return the set of some of its cases, counted from 0."""
        return replace(self, members=self.members[start:stop])

    def observations(self, names: tuple[str, ...] = ()) -> Inputs:
        """Return the inputs that name the observations, and nothing else; `names` in place of the cases' ids."""
        return self._inputs("observation", names)

    def truths(self, names: tuple[str, ...] = ()) -> Inputs:
        """Return the inputs that name the truths."""
        return self._inputs("truth", names)

    def _inputs(self, part: str, names: tuple[str, ...]) -> Inputs:
        pairs = zip(names or self.cases, self.keys, strict=True)
        return {f"{part}/{name}": Input(stage="data", key=key, file=f"{part}.npz") for name, key in pairs}


def joint_key(sets: Sequence[CaseSet]) -> str | None:
    """Return the key of one case set, or of several together; None of none."""
    keys = [case_set.key for case_set in sets]
    return digest(keys) if len(keys) > 1 else next(iter(keys), None)
