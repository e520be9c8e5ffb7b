"""What is told of a cell without its scores: quickly read, however many cells there are."""

from __future__ import annotations

from typing import Literal

from ctpbench.running.record import Parameters, Plain, Record, Status


class Summary(Plain):
    """How one cell ended, of its record.

    Attributes
    ----------
    reference, prediction : str or None
        The keys of the stages that its scores come from; None where it came to none.

    The others are as of `ctpbench.running.record.Record`.
    """

    key: str
    format: Literal[2]
    dataset: str
    noise: float | None
    config: str
    seed: int
    status: Status
    message: str
    tuned: Parameters
    left_out: dict[str, str]
    faults: dict[str, str]
    reference: str | None
    prediction: str | None
    log: str
    finished: str

    @classmethod
    def of(cls, record: Record) -> Summary:
        entries = record.entries
        made = {"reference": entries.reference, "prediction": entries.prediction} if entries else {}
        known = {name: getattr(record, name) for name in cls.model_fields if name in Record.model_fields}
        return cls(**{"reference": None, "prediction": None, **made, **known})

    @property
    def whole(self) -> bool:
        """Whether nothing failed: not the method, no case and no metric."""
        return self.status == "ok" and not self.left_out and not self.faults
