"""What components declare beside their parameters, and what a learning curve must be."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import Field, ValidationError, model_validator

from ctpbench import Dataset, FrameDenoiser, Metric, Trainable
from ctpbench.contract.answers import check_learning_curve
from tests.testing.faulty_denoisers import BaselineOff, Fixed, Halve, Ones
from tests.testing.faulty_learners import CURVE_FAULTS, FixedMean, Mean


class Plain(FrameDenoiser):
    """As plugins were written before a number of frames could be declared."""

    name, version = "plain", "1"
    frames: int = 4

    def denoise(self, frames, context):
        return frames.copy()


def test_a_component_takes_any_number_of_frames_unless_it_says_so():
    assert {component.needs_frames for component in (Plain(), Halve(), BaselineOff(), Ones(), Mean())} == {None}
    assert [Fixed(frames=7).needs_frames, FixedMean(frames=8).needs_frames] == [7, 8]


def test_a_declaration_is_no_parameter():
    assert Fixed().model_dump() == {"frames": 10}
    with pytest.raises(ValidationError):
        Plain(needs_frames=4)


@pytest.mark.parametrize("parameters", [{"factor": float("nan")}, {"factor": float("inf")}, {"of": 1}])
def test_parameters_are_finite_and_known(parameters):
    with pytest.raises(ValidationError):
        Halve(**parameters)


def test_components_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Halve().factor = 2.0


@pytest.mark.parametrize("contract", [Dataset, FrameDenoiser, Trainable, Metric])
def test_a_contract_alone_is_no_component(contract):
    with pytest.raises(TypeError, match="abstract"):
        contract()


def test_a_learning_curve_becomes_plain_numbers():
    given = {"step": np.array([0, 10]), "loss": (2.5, np.nan), "rate": np.array([np.inf, 1e-3], np.float32)}
    curve = check_learning_curve(given)
    assert curve == {"step": [0.0, 10.0], "loss": [2.5, None], "rate": [None, pytest.approx(1e-3)]}
    assert all(type(value) in (float, type(None)) for values in curve.values() for value in values)
    assert check_learning_curve({"step": []}) == {"step": []}


@pytest.mark.parametrize("fault", CURVE_FAULTS)
def test_what_is_no_learning_curve_is_refused(fault):
    with pytest.raises(ValueError, match=r"^learning_curve: .*; allowed: "):
        check_learning_curve(CURVE_FAULTS[fault])


class Ranged(FrameDenoiser):
    """Has a validator before all others, after which pydantic takes JSON for Python."""

    name, version = "ranged", "1"
    range_s: tuple[float, float] | None = None
    names: tuple[str, ...] = ()
    words: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given):
        return {**given}

    def denoise(self, frames, context):
        return frames


def test_a_list_is_taken_for_a_tuple_whatever_validators_a_component_has():
    text = '{"range_s": [0, 20], "names": ["a"], "words": ["b"]}'
    made = Ranged.model_validate_json(text, strict=True)
    assert (made.range_s, made.names, made.words) == ((0.0, 20.0), ("a",), ["b"])
    with pytest.raises(ValidationError, match=r"range_s\.0"):
        Ranged.model_validate_json('{"range_s": ["a", 1]}', strict=True)
