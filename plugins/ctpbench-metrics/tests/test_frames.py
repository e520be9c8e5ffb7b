"""Frame-wise RMSE."""

import numpy as np
import pytest

from ctpbench_metrics.frames import FrameRmse


def test_by_hand(make_case):
    """Errors 3 and 4 in the two voxels of a frame: sqrt(12.5); frames do not mix."""
    clean = np.zeros((3, 1, 1, 2))
    noisy = clean + np.array([[0, 0], [3, 4], [-2, 2]]).reshape(3, 1, 1, 2)
    case = make_case({"cbf": np.zeros((1, 1, 2))}, concentration=noisy, noiseless_concentration=clean)
    score = FrameRmse().score(case)
    assert score.dims == ("time",)
    assert score.values.tolist() == pytest.approx([0, 12.5**0.5, 2])
    assert score["time"].values.tolist() == [0, 1, 2.5]
    assert score["time"].attrs["units"] == "s"


def test_against_a_loop_over_the_tissue(make_case):
    rng = np.random.default_rng(9)
    shape = (2, 4, 5)
    noisy, clean = rng.normal(0, 30, (2, 3, *shape)).astype(np.float32)
    brain, vessels = rng.random(shape) < 0.7, rng.random(shape) < 0.2
    case = make_case(
        {"cbf": np.zeros(shape)},
        brain=brain,
        vessels=vessels,
        concentration=noisy,
        noiseless_concentration=clean,
    )
    inside = [i for i in np.ndindex(shape) if brain[i] and not vessels[i]]
    for t, found in enumerate(FrameRmse().score(case).values):
        squares = [(float(noisy[t][i]) - float(clean[t][i])) ** 2 for i in inside]
        assert found == pytest.approx((sum(squares) / len(squares)) ** 0.5, rel=1e-6)


def test_no_tissue_is_nan(make_case):
    shape = (1, 2, 2)
    zeros = np.zeros((3, *shape))
    case = make_case(
        {"cbf": np.zeros(shape)},
        vessels=np.ones(shape, bool),
        concentration=zeros,
        noiseless_concentration=zeros,
    )
    assert np.isnan(FrameRmse().score(case)).all()
