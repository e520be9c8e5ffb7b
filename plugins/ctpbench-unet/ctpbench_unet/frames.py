"""Which frames the network is shown for a frame, which its target is made of, and that the two share none."""

from __future__ import annotations

from .slices import EARLY

FRAME_CHANNEL, EARLY_CHANNEL = 0, 1
"""Where `shown` has the frame itself and its early frame."""


def shown(t: int, early: int, n_frames: int, context: int = 0) -> tuple[int, ...]:
    """Return the frames that the network is shown, one a channel: t, the early frame, and those around t.

    With `context` k these are t-k .. t+k without t-1 and t+1, of which the target of `t` is made. Where such a frame
    does not exist, or is the target's early frame, t itself stands in. What is shown depends on t and on the early
    frame alone, so that it is the same in training and in use.
    """
    other = EARLY[1 - early]
    around = [t + step for step in range(-context, context + 1) if abs(step) > 1]
    return t, EARLY[early], *(f if 0 <= f < n_frames and f != other else t for f in around)


def n_channels(context: int = 0) -> int:
    """Return how many frames `shown` returns."""
    return 2 + max(0, 2 * (context - 1))


def sources(t: int, early: int) -> tuple[int, int, int]:
    """Return the frames that the target of Noise2Noise is made of, eqs 4 and 5: t's neighbours, the other early."""
    return t - 1, t + 1, EARLY[1 - early]


def independent(t: int, early: int, n_frames: int, context: int = 0) -> bool:
    """Whether t has a target with this early frame, and the network is shown no frame of it.

    Their noise is then independent, which is all that Noise2Noise asks for. Of the sum in eq. 7 this leaves out
    two terms, the second frame with the first as early frame and the third with the second: there the early frame
    is itself a neighbour.
    """
    return 0 < t < n_frames - 1 and not set(shown(t, early, n_frames, context)) & set(sources(t, early))
