"""Which frames are the network's input for a frame, which its target is made of, and that the two share none."""

from __future__ import annotations

EARLY = (0, 1)
"""The two early frames, T0 = 2."""
FRAME_CHANNEL, EARLY_CHANNEL = 0, 1
"""Where `channels_of` has the frame itself and its early frame."""


def channels_of(t: int, early: int, n_frames: int, neighbours: int = 0) -> tuple[int, ...]:
    """Return the frames that are the network's input, one a channel: t, the early frame, and those around t.

    With `neighbours` k these are t-k .. t+k without the adjacent t-1 and t+1, of which the target of `t` is made.
    Where such a frame does not exist, or is the target's early frame, t itself stands in. The input depends on t and
    on the early frame alone, so that it is the same in training and in use.
    """
    other = EARLY[1 - early]
    around = [t + step for step in range(-neighbours, neighbours + 1) if abs(step) > 1]
    return t, EARLY[early], *(f if 0 <= f < n_frames and f != other else t for f in around)


def n_channels(neighbours: int = 0) -> int:
    """Return how many frames `channels_of` returns."""
    return 2 + max(0, 2 * (neighbours - 1))


def target_frames(t: int, early: int) -> tuple[int, int, int]:
    """Return the frames of which the target of Noise2Noise is made, eqs 4 and 5: those adjacent, the other early."""
    return t - 1, t + 1, EARLY[1 - early]


def independent(t: int, early: int, n_frames: int, neighbours: int = 0) -> bool:
    """Whether t has a target with this early frame that shares no frame with the network's input.

    Their noise is then independent, which is all that Noise2Noise asks for. Of the sum in eq. 7 this leaves out
    two terms, the second frame with the first as early frame and the third with the second: there the early frame
    is itself adjacent.
    """
    has_target = 0 < t < n_frames - 1
    return has_target and not set(channels_of(t, early, n_frames, neighbours)) & set(target_frames(t, early))
