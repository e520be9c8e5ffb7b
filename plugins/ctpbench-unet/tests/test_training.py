"""The training loop: the same weights every time, also after an interruption; budgets; and that it learns."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ctpbench import TrainingCase
from ctpbench.testing import ExampleTraining, example_case
from ctpbench_unet import (
    Neighbor2Neighbor,
    Noise2Noise,
    Noise2Sim,
    Noise2Void,
    SubspaceNoise2Noise,
    SubspaceSupervised,
    Supervised,
    training,
)
from ctpbench_unet.losses import Terms
from ctpbench_unet.training import Recipe, train

RECIPE = Recipe(
    steps=60,
    seconds=None,
    learning_rate=0.02,
    warmup=0.0,
    cosine=True,
    clip=None,
    beta=0.5,
    ema=0.0,
    precision="float32",
    compile=False,
)
SMALL = {"width": 4, "depth": 2, "patch_px": 16, "batch": 4, "precision": "float32"}


class Interruption(Exception):
    """What ends a process before its time."""


class Line:
    """An objective: find the line 3 x + 1 from points on it. Remembers slope and offset at each step."""

    def __init__(self, at=None, loss=math.nan):
        self.weights, self.at, self.loss = [], at, loss

    def __call__(self, network, rng):
        with torch.no_grad():
            offset, slope_and_offset = network(torch.arange(2.0).view(2, 1, 1, 1)).flatten()
        self.weights.append(torch.stack([slope_and_offset - offset, offset]))
        x = torch.from_numpy(rng.normal(size=(8, 1, 2, 2)).astype(np.float32))
        error = network(x) - (3 * x + 1)
        factor = self.loss if len(self.weights) == self.at else 1.0
        return Terms(fit=factor * error.square().mean(), bias=error.mean().square())

    @property
    def steps(self):
        return len(self.weights)


class Clock:
    """Time that passes with each step of a line's fit."""

    def __init__(self, monkeypatch, step_s=1):
        self.now_s, self.step_s, self.line = 1000.0, step_s, Line()
        monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def __call__(self, network, rng):
        self.now_s += self.step_s
        return self.line(network, rng)


def weights_of(network):
    return torch.cat([weights.detach().flatten().clone() for weights in network.state_dict().values()])


def trained(context, recipe=RECIPE, objective=None, seed=0):
    """Return the weights and the curve."""
    network = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    curve = train(network, objective or Line(), recipe, np.random.default_rng(seed), context)
    return weights_of(network), curve


def interrupted_at(share):
    def progress(done, text):
        if done >= share:
            raise Interruption

    return progress


@pytest.fixture
def apart(context, tmp_path):
    """Return a function that makes a context with checkpoints of its own."""
    numbers = itertools.count()

    def make(**changes):
        folder = tmp_path / f"checkpoints-{next(numbers)}"
        folder.mkdir()
        return replace(context, rng=np.random.default_rng(0), checkpoints=folder, **changes)

    return make


# -- what it does ---


def test_the_loss_falls(context):
    weights, curve = trained(context, replace(RECIPE, steps=200, learning_rate=0.1))
    torch.testing.assert_close(weights, torch.tensor([3.0, 1.0]), rtol=0, atol=0.02)
    assert curve["loss"][-1] < 1e-3 * curve["loss"][0]


def test_the_loss_is_eq_10(context):
    """In the curve: the loss with beta times the bias, the bias without."""
    _, without = trained(context, replace(RECIPE, steps=1, beta=0))
    _, curve = trained(context, replace(RECIPE, steps=1, beta=7))
    assert curve["bias"] == without["bias"]
    assert curve["loss"][0] == pytest.approx(without["loss"][0] + 7 * curve["bias"][0], rel=1e-6)


def test_the_bias_term_is_learnt_as_strongly_as_beta_says(context):
    """The mean of two demands: 3 from the fit, and 0 from a bias of weight 2."""

    def objective(network, rng):
        answer = network(torch.zeros(1, 1, 1, 1)).sum()
        return Terms(fit=(answer - 3).square(), bias=answer.square())

    weights, _ = trained(context, replace(RECIPE, steps=200, learning_rate=0.1, beta=2.0), objective)
    assert float(weights[1]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("steps", [1, 7, 60, 205, 250])
def test_the_curve_runs_to_the_last_step(context, steps):
    _, curve = trained(context, replace(RECIPE, steps=steps))
    assert len({len(values) for values in curve.values()}) == 1
    assert curve["step"] == sorted(set(curve["step"]))
    assert curve["step"][-1] == steps
    assert len(curve["step"]) <= 126


def test_slow_steps_are_logged_one_by_one_under_a_budget_of_minutes(context, monkeypatch):
    clock = Clock(monkeypatch, step_s=20)
    _, curve = trained(context, replace(RECIPE, steps=None, seconds=400.0), clock)
    assert curve["step"] == [*range(1, 21)]


def test_a_point_of_the_curve_is_the_mean_since_the_last(context):
    """Of 302 steps every third or fourth is a point, and the last; no step is left out."""
    losses = []

    def objective(network, rng):
        terms = Line()(network, rng)
        losses.append(float((terms.fit + RECIPE.beta * terms.bias).detach()))
        return terms

    _, curve = trained(context, replace(RECIPE, steps=302), objective)
    edges = [0, *map(int, curve["step"])]
    assert edges[-1] == 302
    assert set(np.diff(edges)) == {3, 4}
    expected = [np.mean(losses[start:end]) for start, end in itertools.pairwise(edges)]
    np.testing.assert_allclose(curve["loss"], expected, rtol=1e-5)


def test_the_learning_rate_falls_to_nothing_along_a_cosine(context):
    """Adam moves a weight with a constant gradient by the learning rate."""
    offsets = []

    def objective(network, rng):
        loss = network(torch.zeros(1, 1, 1, 1)).sum()
        offsets.append(loss.item())
        return Terms(loss, 0 * loss)

    for cosine in (True, False):
        offsets.clear()
        last, _ = trained(context, replace(RECIPE, steps=40, cosine=cosine), objective)
        moved = -np.diff([*offsets, last[1].item()])
        expected = [0.02 * (0.5 + 0.5 * math.cos(math.pi * step / 40) if cosine else 1) for step in range(40)]
        np.testing.assert_allclose(moved, expected, rtol=1e-3, atol=1e-7)
    assert RECIPE.rate(1) == pytest.approx(0, abs=1e-12) == RECIPE.rate(1.01)


def test_the_learning_rate_rises_over_the_warm_up():
    constant = replace(RECIPE, warmup=0.25, cosine=False)
    assert [constant.rate(done) for done in (0.125, 0.25, 0.5, 1)] == [0.01, 0.02, 0.02, 0.02]
    cosine = replace(constant, cosine=True)
    for done in (0.05, 0.2, 0.25, 0.7, 1):
        assert cosine.rate(done) == pytest.approx(RECIPE.rate(done) * constant.rate(done) / 0.02)


@pytest.mark.parametrize(("clip", "norm"), [(None, 50.0), (100.0, 50.0), (5.0, 5.0)])
def test_a_long_gradient_is_shortened_in_its_direction(context, clip, norm):
    """The gradient of 30 times the slope and 40 times the offset is (30, 40)."""
    network = nn.Conv2d(1, 1, 1)

    def objective(answer, rng):
        offset, slope_and_offset = answer(torch.arange(2.0).view(2, 1, 1, 1)).flatten()
        return Terms(30 * slope_and_offset + 10 * offset, 0 * offset)

    train(network, objective, replace(RECIPE, steps=1, clip=clip), np.random.default_rng(0), context)
    gradient = torch.cat([network.weight.grad.flatten(), network.bias.grad])
    torch.testing.assert_close(gradient, norm * torch.tensor([0.6, 0.8]), rtol=1e-5, atol=0)


def test_without_an_average_the_last_weights_are_kept_and_with_one_their_average(context):
    line, averaged = Line(), Line()
    last, _ = trained(context, objective=line)
    kept, _ = trained(context, replace(RECIPE, ema=0.8), averaged)
    assert all(torch.equal(*pair) for pair in zip(line.weights, averaged.weights, strict=True))
    average = line.weights[0].double()
    for step, weights in enumerate([*line.weights[1:], last], start=1):
        decay = min(0.8, step / (step + 10))
        average = decay * average + (1 - decay) * weights.double()
    torch.testing.assert_close(kept.double(), average, rtol=1e-5, atol=1e-6)
    assert not torch.equal(kept, last)


@pytest.mark.parametrize("budget", [{"steps": 205}, {"steps": None, "seconds": 1000.0}])
def test_progress_rises_to_one(context, monkeypatch, budget):
    heard, clock = [], Clock(monkeypatch, step_s=3)  # the last step begins before 1000 s and ends after
    listening = replace(context, progress=lambda done, text: heard.append((done, text)))
    trained(listening, replace(RECIPE, **budget), clock)
    shares = [done for done, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all("loss" in text and "left" in text for _, text in heard)


@pytest.mark.parametrize("seconds", [0.4, 59.6, 61, 3599, 3601, 90_061])
def test_durations_are_written_in_words(seconds):
    """No "60 s" and no "60 min"."""
    words = training._duration(seconds).split()
    numbers = [int(number) for number in words[::2]]
    in_seconds = {"h": 3600, "min": 60, "s": 1}
    assert abs(sum(n * in_seconds[unit] for n, unit in zip(numbers, words[1::2], strict=True)) - seconds) < 60
    assert all(number < 60 for number in numbers[1:])


# -- budgets ---


@pytest.mark.parametrize("steps", [1, 13, 250])
def test_a_budget_of_steps(context, steps):
    line = Line()
    trained(context, replace(RECIPE, steps=steps), line)
    assert line.steps == steps


@pytest.mark.parametrize(("epochs", "frames", "steps"), [(1, 100, 7), (2, 100, 13), (0.01, 10, 1), (3, 160, 30)])
def test_a_budget_of_epochs_is_one_of_steps(epochs, frames, steps):
    recipe = Noise2Noise(epochs=epochs, batch=16).recipe(frames)
    assert (recipe.steps, recipe.seconds) == (steps, None)


def test_an_epoch_has_all_frames_of_all_slices_but_first_and_last(context):
    """3 cases of 2 slices of 24 frames are 132 frames."""
    fitted = Noise2Noise(**SMALL | {"batch": 12}, epochs=1).fit(ExampleTraining(clean=False), context)
    assert fitted.curve["step"][-1] == 11


@pytest.mark.parametrize("minutes", [0.5, 4])
def test_a_budget_of_minutes(context, monkeypatch, minutes):
    recipe = Noise2Noise(minutes=minutes, learning_rate=0.02, precision="float32").recipe(images=100)
    assert (recipe.steps, recipe.seconds) == (None, 60 * minutes)
    clock = Clock(monkeypatch)
    _, curve = trained(context, recipe, clock)
    assert clock.line.steps == 60 * minutes
    assert curve["step"][-1] == clock.line.steps


def test_minutes_before_an_interruption_count(apart, monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_S", 30)
    recipe = replace(RECIPE, steps=None, seconds=400.0)
    context, first = apart(progress=interrupted_at(0.7)), Clock(monkeypatch)
    with pytest.raises(Interruption):
        trained(context, recipe, first)
    second = Clock(monkeypatch)
    trained(replace(context, progress=lambda done, text: None), recipe, second)
    assert second.line.steps < 400
    assert first.line.steps + second.line.steps >= 400


@pytest.mark.parametrize("budget", [{"steps": 1000}, {"steps": None, "seconds": 20_000.0}])
@pytest.mark.parametrize(("step_s", "steps", "times"), [(20, 5, 2), (1, 100, 3), (100, 4, 3)])
def test_the_state_is_written_every_half_minute(context, monkeypatch, budget, step_s, steps, times):
    """However long a step takes; the step that is interrupted has not ended."""
    clock, written, save = Clock(monkeypatch, step_s), [], torch.save

    def objective(network, rng):
        terms = clock(network, rng)
        if clock.line.steps == steps:
            raise Interruption
        return terms

    def saving(state, path):
        written.append(state["step"])
        save(state, path)

    monkeypatch.setattr(torch, "save", saving)
    with pytest.raises(Interruption):
        trained(context, replace(RECIPE, **budget), objective)
    assert len(written) == times
    assert (context.checkpoints / "training.pt").exists()


# -- the same weights every time ---


def test_the_same_seed_gives_the_same_weights_to_the_bit(apart):
    training_cases = ExampleTraining(clean=False)
    fits = [
        Noise2Noise(**SMALL, steps=8).fit(training_cases, replace(apart(), rng=np.random.default_rng(seed)))
        for seed in (1, 1, 2)
    ]
    first, second, other = (weights_of(fitted._network) for fitted in fits)
    assert torch.equal(first, second)
    assert fits[0].curve == fits[1].curve
    assert not torch.equal(first, other)


def test_a_seed_of_its_own_takes_the_place_of_the_suites(apart):
    n2n = Noise2Noise(**SMALL, steps=8, training_seed=5)
    cases = ExampleTraining(clean=False)
    first, second = (
        weights_of(n2n.fit(cases, replace(apart(), rng=np.random.default_rng(seed)))._network) for seed in (1, 2)
    )
    other = n2n.model_copy(update={"training_seed": 6}).fit(cases, apart())
    assert torch.equal(first, second)
    assert not torch.equal(first, weights_of(other._network))


@pytest.mark.parametrize(("share", "ema"), [(0.1, 0.9), (0.5, 0.0), (1.0, 0.9)])
def test_after_an_interruption_it_ends_where_it_would_have_ended(apart, monkeypatch, share, ema):
    """To the bit, and only the remaining steps are taken, though the last checkpoint lies between two points."""
    monkeypatch.setattr(training, "_CHECKPOINT_S", 6)  # one in 7 steps
    recipe = replace(RECIPE, steps=200, ema=ema)  # a point of the curve every second step
    undisturbed, curve = trained(apart(), recipe)
    context, first = apart(progress=interrupted_at(share)), Clock(monkeypatch)
    with pytest.raises(Interruption):
        trained(context, recipe, first)
    assert first.line.steps == share * 200
    second = Clock(monkeypatch)
    resumed = trained(replace(context, progress=lambda done, text: None), recipe, second)
    assert 0 < second.line.steps <= 200 - first.line.steps + 7
    assert torch.equal(resumed[0], undisturbed)
    assert resumed[1] == curve


@pytest.mark.parametrize("interruptions", [1, 3])
def test_so_does_a_whole_fit(apart, monkeypatch, interruptions):
    monkeypatch.setattr(training, "_CHECKPOINT_S", 0)
    n2n, cases = Noise2Noise(**SMALL, steps=20, ema=0.5), ExampleTraining(clean=False)
    undisturbed = n2n.fit(cases, apart())
    context = apart()
    for number in range(interruptions):
        again = replace(context, rng=np.random.default_rng(0), progress=interrupted_at(0.3 + 0.2 * number))
        with pytest.raises(Interruption):
            n2n.fit(cases, again)
    resumed = n2n.fit(cases, replace(context, rng=np.random.default_rng(0)))
    assert torch.equal(weights_of(resumed._network), weights_of(undisturbed._network))
    assert resumed.curve == undisturbed.curve


def test_a_checkpoint_is_written_whole_or_not_at_all(apart, monkeypatch):
    """A process may end while it writes."""
    monkeypatch.setattr(training, "_CHECKPOINT_S", 0)
    undisturbed, curve = trained(apart())
    save, number = torch.save, itertools.count(1)

    def ending(state, path):
        if next(number) == 20:
            path.write_bytes(b"half")
            raise Interruption
        save(state, path)

    monkeypatch.setattr(torch, "save", ending)
    context, second = apart(), Line()
    with pytest.raises(Interruption):
        trained(context)
    assert trained(context, objective=second)[1] == curve
    assert second.steps == 60 - 19
    assert torch.equal(trained(context)[0], undisturbed)


# -- what it does not do ---


@pytest.mark.parametrize("loss", [math.nan, math.inf])
@pytest.mark.parametrize(("at", "steps"), [(1, 20), (7, 20), (20, 20), (205, 205)])
def test_a_loss_that_is_not_finite_stops_it(context, at, steps, loss):
    """At any step: of 205 every second is a point of the curve, and the last is none."""
    pattern = rf"^loss at step {at}: got {loss}; allowed: a finite number; lower learning_rate, which is 0\.02$"
    with pytest.raises(FloatingPointError, match=pattern):
        trained(context, replace(RECIPE, steps=steps), Line(at, loss))


@pytest.mark.parametrize("ending", [None, Interruption])
def test_it_leaves_threads_and_random_states_as_they_were(context, ending):
    torch.set_num_threads(2)
    before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 - watched, not used
    heard = []

    def progress(done, text):
        heard.append(torch.get_num_threads())
        if ending and done == 1:
            raise ending

    n2n, listening = Noise2Noise(**SMALL, steps=3), replace(context, threads=1, progress=progress)
    if ending:
        with pytest.raises(ending):
            n2n.fit(ExampleTraining(clean=False), listening)
    else:
        n2n.fit(ExampleTraining(clean=False), listening)
    assert heard[-1] == 1  # while it trained
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1][1])  # noqa: NPY002


# -- that it learns ---


@pytest.mark.parametrize("method", [Noise2Noise, Supervised, Neighbor2Neighbor, Noise2Void, Noise2Sim])
def test_it_comes_nearer_to_the_truth_than_the_noisy_concentration(context, method):
    """White noise on small heads; the one that counts it has not seen."""
    *seen, unseen = (example_case(rows=32, columns=32, seed=seed, noise_hu=10) for seed in range(3))
    clean = method.learns_from == "clean"
    cases = [TrainingCase(head.id, head.observation, head.truth.frames if clean else None) for head in seen]
    small = {"width": 8, "depth": 2, "patch_px": 16, "batch": 12, "learning_rate": 1e-2, "steps": 80}
    denoised = (
        method(**small, precision="float32").fit(cases, context).concentration(unseen.observation.frames, context)
    )
    truth, noisy = (frames - frames[:2].mean("time") for frames in (unseen.truth.frames, unseen.observation.frames))
    before, after = (
        np.sqrt(((answer - truth).values[:, unseen.observation.tissue] ** 2).mean()) for answer in (noisy, denoised)
    )
    assert after < 0.5 * before


# -- few pixels ---


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({}, math.ceil(120 * 3000 / (6 * 64**2))),
        ({"most_visits": 10, "batch": 2, "patch_px": 16}, math.ceil(10 * 3000 / (2 * 16**2))),
        ({"most_visits": 10, "batch": 2, "patch_px": None}, math.ceil(10 * 3000 / (2 * 3200))),
        ({"most_visits": 0.001}, 1),
        ({"most_visits": None}, math.inf),
    ],
)
def test_a_pixel_is_seen_no_more_often_than_asked_for(given, steps):
    slices = [SimpleNamespace(solid=torch.ones(40, 60)), SimpleNamespace(solid=torch.zeros(50, 80))]
    slices[1].solid[:20, :30] = 1
    assert SubspaceNoise2Noise(**given).most_steps(slices) == steps
    assert SubspaceSupervised().most_steps(slices) == Noise2Noise().most_steps(slices) == math.inf


@pytest.mark.parametrize(("budget", "limit"), [(8, None), (8, 1000), (1000, 2), (8, 2)])
def test_training_ends_by_its_budget_or_by_what_it_has_seen(budget, limit, context, monkeypatch):
    monkeypatch.setattr(SubspaceNoise2Noise, "most_steps", lambda self, slices: limit or math.inf)
    method = SubspaceNoise2Noise(width=2, depth=2, rank=2, batch=1, patch_px=16, steps=budget, precision="float32")
    fitted = method.fit([TrainingCase("a", example_case().observation, None)], context)
    assert fitted.curve["step"][-1] == min(budget, limit or budget)


# -- memory and precision ---


class Crowded(torch.nn.Module):
    """A network on a device with memory for so many images, in which everything runs out on the way back, too."""

    def __init__(self, network, room):
        super().__init__()
        self.network, self.room, self.tried = network, room, []

    def forward(self, images):
        self.tried.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.network(images)


def stepped(method, room, context, precision="float32"):
    """The gradients of the second of two steps, the loss, and how many images went through the network at a time."""
    made = method(**SMALL | {"batch": 8, "steps": 2, "precision": precision})
    parts = made.read(ExampleTraining(clean=method.learns_from == "clean"))
    network = Crowded(made.architecture().network(seed=3), room)
    curve = train(network, made.objective(parts), made.recipe(1), np.random.default_rng(5), context)
    gradients = torch.cat([weights.grad.flatten() for weights in network.parameters()])
    return gradients, curve["loss"], network.tried


@pytest.mark.parametrize("method", [Noise2Noise, Supervised, Neighbor2Neighbor, Noise2Void, SubspaceNoise2Noise])
@pytest.mark.parametrize("room", [5, 2, 1])
def test_where_memory_runs_out_parts_of_a_batch_give_the_same_gradient(apart, method, room):
    whole, loss, _ = stepped(method, 8, apart())
    gradient, same_loss, tried = stepped(method, room, apart())
    torch.testing.assert_close(gradient, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max()))
    np.testing.assert_allclose(same_loss, loss, rtol=1e-5)
    fits = {5: 4, 2: 2, 1: 1}[room]
    assert tried[0] == 8
    assert tried[-1] == fits
    assert tried.count(8) == 1  # what did not fit once is not tried again


def test_where_not_even_one_image_fits_the_error_passes_on(context):
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        stepped(Noise2Noise, 0, context)


def test_another_error_is_not_taken_for_lack_of_memory(context):
    tried = []

    def objective(network, rng):
        tried.append(1)
        raise RuntimeError("expected scalar type Float but found Half")

    network = torch.nn.Conv2d(1, 1, 1)
    with pytest.raises(RuntimeError, match="scalar type"):
        train(network, objective, RECIPE, np.random.default_rng(0), context)
    assert len(tried) == 1


def test_small_gradients_survive_fp16(context):
    """Unscaled, those below 6e-8 vanish on the way back; in float32 they do not."""

    class Faint(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.Parameter(torch.ones(4, 1, 1, 1))

        def forward(self, images):
            return torch.nn.functional.conv2d(images, self.weights)

    def objective(network, rng):
        fit = 1e-7 * network(torch.ones(1, 1, 8, 8)).float().square().mean()
        return Terms(fit=fit, bias=0 * fit)

    found = {}
    for precision in ("float32", "fp16"):
        network = Faint()
        train(network, objective, replace(RECIPE, steps=1, precision=precision), np.random.default_rng(0), context)
        found[precision] = network.weights.grad.flatten()
    torch.testing.assert_close(found["fp16"], found["float32"], rtol=0.01, atol=0)
    assert found["float32"].min() > 0


def test_in_fp16_it_learns_and_goes_on_where_it_was(apart, monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_S", 0.0)
    networks = []
    for budgets in ([30], [11, 30]):
        where = apart()
        for steps in budgets:
            network, line = torch.nn.Conv2d(1, 1, 1), Line()
            torch.nn.init.zeros_(network.weight), torch.nn.init.zeros_(network.bias)
            recipe = replace(RECIPE, steps=steps, cosine=False, learning_rate=0.2, precision="fp16")
            curve = train(network, line, recipe, np.random.default_rng(0), where)
        networks.append(network)
    assert np.mean(curve["loss"][-5:]) < 0.2 * np.mean(curve["loss"][:5])
    torch.testing.assert_close(weights_of(networks[0]), weights_of(networks[1]), rtol=0, atol=0)
