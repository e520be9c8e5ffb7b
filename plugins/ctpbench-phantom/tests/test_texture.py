import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench_phantom.texture import centred_texture, field

STEPS = np.arange(0.0, 240.0, 4.0)
LATTICE = np.meshgrid(STEPS, STEPS, STEPS, indexing="ij")


def test_field_has_mean_0_and_deviation_1_over_its_period():
    values = field(0, "a", 30.0)(*LATTICE)  # the period is 48 / 6 wavelengths of 30 mm, which is 240 mm
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.02


def test_field_is_periodic_and_takes_points_that_broadcast():
    a = field(0, "a", 30.0)
    x = np.linspace(-50, 50, 7)
    np.testing.assert_allclose(a(x, 3.0, 5.0), a(x + 240.0, np.full(7, 3.0), 5.0 - 240.0), atol=1e-5)
    assert a(x[:, None], x[None, :], 0.0).shape == (7, 7)


def test_field_depends_on_seed_and_name_alone():
    x = np.linspace(0, 100, 50)
    first = field(3, "a", 30.0)(x, x, x)
    field.cache_clear()
    np.testing.assert_array_equal(field(3, "a", 30.0)(x, x, x), first)
    assert not np.allclose(field(4, "a", 30.0)(x, x, x), first)
    assert not np.allclose(field(3, "b", 30.0)(x, x, x), first)


def test_banded_field_has_its_wavelength():
    power = np.abs(np.fft.fftn(field(0, "a", 30.0, True)(*LATTICE))) ** 2
    axis = np.fft.fftfreq(STEPS.size, 4.0) * 30.0
    waves = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis**2)
    assert power[(waves > 0.5) & (waves < 1.5)].sum() > 0.98 * power.sum()
    smooth = np.abs(np.fft.fftn(field(0, "a", 30.0)(*LATTICE))) ** 2
    assert smooth[waves < 1.5].sum() > 0.85 * smooth.sum()
    assert smooth[waves < 0.7].sum() > 3 * power[waves < 0.7].sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 6), strength=st.floats(0.1, 20))
def test_texture_is_centred_in_each_class_and_bounded(seed, classes, strength):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (17, 19))
    texture = centred_texture(strength * rng.standard_normal(labels.shape), labels)
    assert np.abs(texture).max() <= 1
    for label in np.unique(labels):
        assert abs(texture[labels == label].mean()) < 1e-12
