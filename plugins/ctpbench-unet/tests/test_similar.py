"""Similar pixels: those of the twin, apart from each other, and found without the frame that they stand for."""

import numpy as np
import pytest
import torch

from ctpbench import DataError, Observation
from ctpbench_unet.frames import EARLY
from ctpbench_unet.pairs import Place
from ctpbench_unet.similar import FOLDS, Likeness, SimilarPixels, nearest, similar_pixels
from ctpbench_unet.subspace import subspace_slices
from ctpbench_unet.targets import from_similar_pixels

from . import naive

EVERYWHERE = (slice(None), slice(None))
WINDOW = (slice(3, 19), slice(6, 22))
LIKENESS = Likeness(similar=4, window_px=9, apart_px=2.5)


@pytest.fixture
def make_part():
    """Return a function that makes a slice with its basis, whose tissue is an ellipse with a hole."""

    def make(rows=24, columns=28, *, n_frames=20, rank=2, noise_hu=6.0, amplitude=12.0, seed=0):
        rng = np.random.default_rng(seed)
        time = np.arange(n_frames)
        bolus = np.exp(-((time - n_frames / 2) ** 2) / 12)
        y, x = np.indices((rows, columns))
        brain = ((y / (rows - 1) - 0.5) / 0.48) ** 2 + ((x / (columns - 1) - 0.5) / 0.48) ** 2 < 1
        brain[rows // 2, columns // 2] = False
        clean = 35 + amplitude * bolus[:, None, None] * (1 + 0.5 * np.sin(x / 4) * np.cos(y / 5))
        frames = Observation.of(
            (clean + noise_hu * rng.standard_normal(clean.shape))[:, None].astype(np.float32),
            times_s=time.astype(float),
            spacing_mm=(5, 1, 1),
            brain=brain[None],
            vessels=np.zeros_like(brain)[None],
            aif=100 * bolus,
        ).frames
        (part,) = subspace_slices(frames, rank, multiple=8)
        return part

    return make


def places_of(found, columns):
    """The places of each pixel, as the twin has them."""
    return {
        (int(y), int(x)): [divmod(int(place), columns) for place in found[:, y, x] if place >= 0]
        for y, x in np.argwhere(found[0].numpy() >= 0)
    }


# -- which pixels are similar ---


@pytest.mark.parametrize(
    "likeness", [LIKENESS, Likeness(1, 3, 0.0), Likeness(8, 7, 3.0), Likeness(100, 5, 2.0)], ids=str
)
def test_they_are_those_of_the_twin(make_part, likeness):
    part = make_part()
    features = part.coefficients()
    found = nearest(features, part.tissue, likeness)
    expected = naive.similar(
        features.numpy(), part.tissue.numpy() > 0, likeness.similar, likeness.window_px, likeness.apart_px
    )
    assert found.shape == (likeness.similar, *part.tissue.shape)
    assert places_of(found, part.tissue.shape[1]) == {pixel: places for pixel, places in expected.items() if places}


def test_they_are_tissue_within_the_window_and_never_nearer_than_asked_for(make_part):
    part = make_part()
    found = similar_pixels(part, LIKENESS).found
    assert found.shape == (FOLDS, 4, *part.tissue.shape)
    fold, _, y, x = np.nonzero(found.numpy() >= 0)
    j, i = np.divmod(found.numpy()[found.numpy() >= 0], part.tissue.shape[1])
    tissue = part.tissue.numpy() > 0
    assert tissue[y, x].all()
    assert tissue[j, i].all()
    assert np.hypot(j - y, i - x).min() >= LIKENESS.apart_px
    assert np.maximum(abs(j - y), abs(i - x)).max() == LIKENESS.window_px // 2
    assert set(fold) == set(range(FOLDS))


@pytest.mark.parametrize("t", [2, 5, 8, 11])
def test_frame_t_and_the_early_ones_have_no_say_in_those_of_frame_t(make_part, t):
    part = make_part()
    before = similar_pixels(part, LIKENESS).found
    noise = np.random.default_rng(1).normal(0, 30, part.frames.shape[1:]).astype(np.float32)
    for frame in (*EARLY, t):
        part.frames[frame] += torch.from_numpy(noise)
    after = similar_pixels(part, LIKENESS).found
    assert torch.equal(after[t % FOLDS], before[t % FOLDS])
    assert not torch.equal(after[(t + 1) % FOLDS], before[(t + 1) % FOLDS])


def test_too_few_frames_are_refused_in_one_line(make_part):
    part = make_part(n_frames=6, rank=3)
    with pytest.raises(DataError, match=r"^rank: got 3; allowed: at most 2 with 6 frames, of which 3 are compared$"):
        similar_pixels(part, LIKENESS)


# -- drawing one ---


def test_each_similar_pixel_is_drawn_as_often_as_another():
    found = torch.tensor([7, 3, 11, -1], dtype=torch.int32).view(1, 4, 1, 1).expand(1, 4, 60, 60)
    drawn = SimilarPixels(found).drawn(5, EVERYWHERE, np.random.default_rng(0))
    places, counts = np.unique(drawn.numpy(), return_counts=True)
    assert places.tolist() == [3, 7, 11]
    assert 1050 < counts.min() <= counts.max() < 1350


def test_none_is_drawn_where_there_are_none():
    found = torch.full((1, 3, 5, 5), -1, dtype=torch.int32)
    assert (SimilarPixels(found).drawn(0, EVERYWHERE, np.random.default_rng(0)) == -1).all()


# -- examples ---


@pytest.mark.parametrize("early", [0, 1])
@pytest.mark.parametrize("window", [EVERYWHERE, WINDOW], ids=["whole", "patch"])
def test_the_target_is_the_concentration_at_a_similar_pixel(make_part, early, window):
    part, t = make_part(), 9
    columns = part.tissue.shape[1]
    similar = similar_pixels(part, LIKENESS)
    example = from_similar_pixels([part], lambda _: similar)(Place(0, t, early, window), np.random.default_rng(3))
    series = part.frames.numpy()
    concentration = series[t] - (series[0] + series[1]) / 2
    rows, offsets = (axis.indices(size)[0] for axis, size in zip(window, part.tissue.shape, strict=True))
    targets, seen = example.target[0].numpy(), 0
    for y, x in np.argwhere(example.mask[0].numpy() > 0):
        places = similar.found[t % FOLDS, :, rows + y, offsets + x]
        values = [concentration[divmod(int(place), columns)] for place in places if place >= 0]
        assert targets[y, x] == pytest.approx(values[np.argmin(abs(values - targets[y, x]))], abs=1e-4)
        seen += 1
    assert seen > 100
    np.testing.assert_array_equal(example.images, series[[t, early]][:, *window])
    np.testing.assert_array_equal(example.noisy[0], (series[t] - series[early])[window])


def test_a_pixel_without_similar_ones_counts_in_no_loss(make_part):
    part = make_part()
    similar = similar_pixels(part, LIKENESS)
    alone = similar.found.clone()
    alone[:, :, 10, 8] = -1
    example = from_similar_pixels([part], lambda _: SimilarPixels(alone))(
        Place(0, 9, 0, EVERYWHERE), np.random.default_rng(0)
    )
    assert part.tissue[10, 8] == 1
    assert example.mask[0, 10, 8] == 0
    assert example.mask.sum() == part.tissue.sum() - 1


def test_another_draw_gives_another_target(make_part):
    part = make_part()
    similar = similar_pixels(part, LIKENESS)
    maker, rng = from_similar_pixels([part], lambda _: similar), np.random.default_rng(0)
    first, second = (maker(Place(0, 9, 0, EVERYWHERE), rng).target for _ in range(2))
    assert 0.5 < float((first != second)[0, part.tissue > 0].float().mean()) < 1


def test_their_noise_is_independent_as_it_would_not_be_were_all_frames_compared(make_part):
    """The premise, on white noise: the slope of the target's noise over that of the pixel it stands for."""
    part = make_part(96, 96, n_frames=16, amplitude=0.0, seed=2)
    apart = similar_pixels(part, LIKENESS)
    together = SimilarPixels(nearest(part.coefficients(), part.tissue, LIKENESS)[None])
    rng = np.random.default_rng(0)

    def slope(similar):
        maker, inside = from_similar_pixels([part], lambda _: similar), part.tissue > 0
        examples = [maker(Place(0, t, 0, EVERYWHERE), rng) for t in range(2, 15)]
        noise = torch.stack([example.images[0][inside] - 35 for example in examples])
        target = torch.stack([example.target[0][inside] for example in examples])
        return float((noise * target).sum() / noise.square().sum())

    assert abs(slope(apart)) < 0.015
    assert slope(together) > 0.08
