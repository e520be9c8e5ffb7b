"""What the network's input and its target are made of, as sets of frames."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench_unet.frames import channels_of, independent, n_channels, target_frames

from . import naive

NEIGHBOURS = st.sampled_from([0, 2, 3, 4, 7])


@st.composite
def moments(draw):
    n_frames = draw(st.integers(3, 60))
    return draw(st.integers(0, n_frames - 1)), draw(st.sampled_from([0, 1])), n_frames, draw(NEIGHBOURS)


def each(**strategies):
    """Try a test on many examples, however long a busy machine takes for one."""
    return lambda test: settings(deadline=None)(given(**strategies)(test))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ((10, 0, 30, 0), (10, 0)),
        ((10, 1, 30, 0), (10, 1)),
        ((10, 0, 30, 3), (10, 0, 7, 8, 12, 13)),
        ((3, 1, 30, 2), (3, 1, 1, 5)),
        ((3, 0, 30, 2), (3, 0, 3, 5)),  # 1 is the target's early frame
        ((0, 0, 30, 2), (0, 0, 0, 2)),  # -2 does not exist
        ((29, 1, 30, 3), (29, 1, 26, 27, 29, 29)),  # neither do 31 and 32
    ],
)
def test_the_input_is_the_frame_its_early_frame_and_those_around_it(moment, expected):
    assert channels_of(*moment) == expected


@each(moment=moments())
def test_equals_its_twin(moment):
    assert list(channels_of(*moment)) == naive.channels_of(*moment)


@each(moment=moments())
def test_there_are_as_many_channels_as_frames_of_the_input(moment):
    assert len(channels_of(*moment)) == n_channels(moment[3])


@each(moment=moments())
def test_the_input_has_only_frames_that_exist_even_at_the_ends(moment):
    t, early, n_frames, _ = moment
    frames = channels_of(*moment)
    assert frames[:2] == (t, early)
    assert all(0 <= frame < n_frames for frame in frames)


@each(moment=moments())
def test_the_target_is_made_of_the_adjacent_frames_and_the_other_early_frame(moment):
    t, early, _, _ = moment
    before, after, early_of_target = target_frames(t, early)
    assert (before, after) == (t - 1, t + 1)
    assert {early, early_of_target} == {0, 1}


@each(moment=moments())
def test_what_is_independent_has_a_target_and_shares_no_frame_with_it(moment):
    t, early, n_frames, _ = moment
    if independent(*moment):
        assert 0 < t < n_frames - 1
        assert not set(channels_of(*moment)) & set(target_frames(t, early))


@each(n_frames=st.integers(3, 60), neighbours=NEIGHBOURS)
def test_all_but_two_terms_of_eq_7_are_independent_with_any_neighbours(n_frames, neighbours):
    of_eq_7 = {(t, early) for t in range(1, n_frames - 1) for early in (0, 1)}
    kept = {
        (t, early) for t in range(-1, n_frames + 1) for early in (0, 1) if independent(t, early, n_frames, neighbours)
    }
    assert kept == of_eq_7 - {(1, 0), (2, 1)}
