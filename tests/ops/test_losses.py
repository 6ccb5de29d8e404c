"""Losses against numbers worked out by hand, SciPy in float64, and finite differences."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from default_values import Default, Example, assert_complete, assert_default, defaults_of
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from scipy import integrate, special, stats

from jaxeval.errors import InputError
from jaxeval.ops import losses

ZEROS = jnp.zeros(4)
AT_ZERO = {
    "hinge": (2.0, 0.0),
    "least-squares": (0.5, 0.5),
    "minimax": (2 * math.log(2), -math.log(2)),
    "non-saturating": (2 * math.log(2), math.log(2)),
    "relativistic": (math.log(2), math.log(2)),
    "wasserstein": (0.0, 0.0),
}


def in_float64(name: str, real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """The papers' formulas, with the discriminator's probability written out."""
    p_real, p_fake = special.expit(real), special.expit(fake)
    cross_entropy = -np.log(p_real).mean() - np.log(1 - p_fake).mean()
    return {
        "hinge": lambda: (np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(), -fake.mean()),
        "least-squares": lambda: (
            0.5 * np.square(real - 1).mean() + 0.5 * np.square(fake).mean(),
            0.5 * np.square(fake - 1).mean(),
        ),
        "minimax": lambda: (cross_entropy, np.log(1 - p_fake).mean()),
        "non-saturating": lambda: (cross_entropy, -np.log(p_fake).mean()),
        "relativistic": lambda: (
            -np.log(special.expit(real - fake)).mean(),
            -np.log(special.expit(fake - real)).mean(),
        ),
        "wasserstein": lambda: (fake.mean() - real.mean(), -fake.mean()),
    }[name]()


def test_the_table_of_losses_is_complete() -> None:
    assert set(losses.ADVERSARIAL_LOSSES) == set(AT_ZERO)


@pytest.mark.parametrize("name", AT_ZERO)
class TestAdversarial:
    def test_all_zero_logits(self, name: str) -> None:
        found = losses.ADVERSARIAL_LOSSES[name](real=ZEROS, fake=ZEROS)
        np.testing.assert_allclose(found, AT_ZERO[name], rtol=1e-7)

    def test_against_the_formula(self, name: str) -> None:
        rng = np.random.default_rng(0)
        real, fake = rng.normal(scale=2, size=(2, 50))
        found = losses.ADVERSARIAL_LOSSES[name](real=jnp.asarray(real), fake=jnp.asarray(fake))
        np.testing.assert_allclose(found, in_float64(name, real, fake), rtol=1e-5, atol=1e-6)

    def test_gradients_against_finite_differences(self, name: str) -> None:
        rng = np.random.default_rng(1)
        real, fake = rng.normal(scale=0.7, size=(2, 5))
        for player in (0, 1):
            gradient = jax.grad(
                lambda fake, p=player: losses.ADVERSARIAL_LOSSES[name](real=jnp.asarray(real), fake=fake)[p]
            )(jnp.asarray(fake))
            for place, step in enumerate(1e-6 * np.eye(5)):
                ends = [in_float64(name, real, fake + sign * step)[player] for sign in (-1, 1)]
                assert gradient[place] == pytest.approx((ends[1] - ends[0]) / 2e-6, abs=1e-5)

    def test_huge_logits_stay_finite(self, name: str) -> None:
        huge = jnp.asarray([-1e4, 1e4])
        for sign in (1, -1):
            call = losses.ADVERSARIAL_LOSSES[name]
            values, gradients = jax.value_and_grad(lambda fake, f=call: sum(f(real=huge, fake=fake)))(sign * huge)
            assert np.isfinite(values)
            assert np.isfinite(gradients).all()

    def test_jit_and_shards_agree_with_eager(self, name: str) -> None:
        real, fake = np.random.default_rng(2).normal(size=(2, 8)).astype(np.float32)
        mesh = Mesh(np.asarray(jax.devices()[:4]), ("batch",))
        split = jax.device_put((real, fake), NamedSharding(mesh, PartitionSpec("batch")))
        call = losses.ADVERSARIAL_LOSSES[name]
        found = jax.jit(lambda real, fake: call(real=real, fake=fake))(*split)
        np.testing.assert_allclose(found, call(real=jnp.asarray(real), fake=jnp.asarray(fake)), rtol=1e-6, atol=1e-7)

    def test_logits_that_are_no_vectors(self, name: str) -> None:
        with pytest.raises(InputError, match=r"fake has shape \(4, 1\)"):
            losses.ADVERSARIAL_LOSSES[name](real=ZEROS, fake=ZEROS[:, None])
        with pytest.raises(InputError, match=r"real has shape \(0,\)"):
            losses.ADVERSARIAL_LOSSES[name](real=ZEROS[:0], fake=ZEROS)


def test_only_the_non_saturating_generator_learns_from_a_discriminator_that_wins() -> None:
    slope = {
        name: float(
            jax.grad(lambda fake, n=name: losses.ADVERSARIAL_LOSSES[n](real=fake, fake=fake).generator)(
                -20 + jnp.zeros(1)
            )[0]
        )
        for name in ("minimax", "non-saturating")
    }
    assert slope["non-saturating"] == pytest.approx(-1)
    assert abs(slope["minimax"]) < 1e-8


def test_relativistic_pairs_must_be_pairs() -> None:
    with pytest.raises(InputError, match="compares pairs"):
        losses.relativistic(real=ZEROS, fake=ZEROS[:3])


WEIGHT = np.random.default_rng(3).normal(size=(4, 4, 3)).astype(np.float32)


def linear(images: jax.Array) -> jax.Array:
    return (images * WEIGHT).sum((1, 2, 3)) + 5


def quadratic(images: jax.Array) -> jax.Array:
    return (images**2).sum((1, 2, 3)) / 2  # whose gradient is the image


class TestPenalties:
    IMAGES = np.random.default_rng(4).normal(size=(2, 6, 4, 4, 3)).astype(np.float32)

    def test_a_linear_critic_has_one_gradient(self) -> None:
        norm = np.linalg.norm(WEIGHT.astype(np.float64))
        np.testing.assert_allclose(losses.gradient_norms(linear, self.IMAGES[0]), np.full(6, norm), rtol=1e-6)
        real, fake = self.IMAGES
        penalty = losses.gradient_penalty(linear, real=real, fake=fake, key=jax.random.key(0))
        assert float(penalty) == pytest.approx((norm - 1) ** 2, rel=1e-5)
        at_norm = losses.gradient_penalty(linear, real=real, fake=fake, key=jax.random.key(0), target=float(norm))
        assert float(at_norm) == pytest.approx(0, abs=1e-8)

    def test_r1_and_r2_are_half_the_mean_square(self) -> None:
        squares = np.square(self.IMAGES.astype(np.float64)).sum((2, 3, 4)).mean(1)
        real, fake = self.IMAGES
        assert float(losses.r1_penalty(quadratic, real)) == pytest.approx(squares[0] / 2, rel=1e-5)
        assert float(losses.r2_penalty(quadratic, fake)) == pytest.approx(squares[1] / 2, rel=1e-5)

    def test_the_points_lie_between_real_and_fake_each_at_its_own_place(self) -> None:
        # Real images at 1 and fake ones at 0: a quadratic critic's gradient length is the share times sqrt(pixels).
        ones = np.ones((5000, 2, 2, 1), np.float32)
        key = jax.random.key(1)
        mean_square = float(losses.gradient_penalty(quadratic, real=ones, fake=0 * ones, key=key, target=0.0))
        # E u^2 = 1/3 of 4 pixels; its standard error is 4 sqrt(4/45) / sqrt(5000) = 0.017.
        assert mean_square == pytest.approx(4 / 3, abs=0.07)

    def test_gradient_with_respect_to_the_weights(self) -> None:
        real, fake = self.IMAGES

        def penalty(scale: Any) -> Any:
            critic = lambda images: scale * linear(images)  # noqa: E731 - closes over scale
            return losses.gradient_penalty(critic, real=real, fake=fake, key=jax.random.key(0))

        norm = np.linalg.norm(WEIGHT.astype(np.float64))
        assert float(jax.grad(penalty)(2.0)) == pytest.approx(2 * norm * (2 * norm - 1), rel=1e-4)

    def test_a_constant_critic_has_a_finite_slope(self) -> None:
        real, fake = self.IMAGES
        slope = jax.grad(
            lambda scale: losses.gradient_penalty(
                lambda images: scale * linear(images), real=real, fake=fake, key=jax.random.key(0)
            )
        )(0.0)
        assert np.isfinite(slope)

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="pairs are mixed"):
            losses.gradient_penalty(linear, real=self.IMAGES[0], fake=self.IMAGES[1, :3], key=jax.random.key(0))
        with pytest.raises(InputError, match=r"returned shape \(6, 1\) for 6 images"):
            losses.r1_penalty(lambda images: linear(images)[:, None], self.IMAGES[0])


class TestReconstruction:
    RNG = np.random.default_rng(5)
    OUTPUTS = RNG.normal(size=(3, 4, 4, 1))
    TARGETS = RNG.uniform(size=(3, 4, 4, 1))

    def test_bernoulli(self) -> None:
        binary = (self.TARGETS > 0.5).astype(np.float64)
        expected = -stats.bernoulli.logpmf(binary, special.expit(self.OUTPUTS)).sum((1, 2, 3))
        found = losses.bernoulli_nll(logits=jnp.asarray(self.OUTPUTS), targets=jnp.asarray(binary))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        at_zero = losses.bernoulli_nll(logits=jnp.zeros((3, 4, 4, 1)), targets=jnp.asarray(self.TARGETS))
        np.testing.assert_allclose(at_zero, np.full(3, 16 * math.log(2)), rtol=1e-6)

    def test_gaussian(self) -> None:
        log_variance = self.RNG.normal(size=(3, 4, 4, 1))
        expected = -stats.norm.logpdf(self.TARGETS, self.OUTPUTS, np.exp(log_variance / 2)).sum((1, 2, 3))
        given = {"mean": jnp.asarray(self.OUTPUTS), "targets": jnp.asarray(self.TARGETS)}
        np.testing.assert_allclose(
            losses.gaussian_nll(**given, log_variance=jnp.asarray(log_variance)), expected, rtol=1e-5
        )
        shared = -stats.norm.logpdf(self.TARGETS, self.OUTPUTS, np.exp(-0.35)).sum((1, 2, 3))
        np.testing.assert_allclose(losses.gaussian_nll(**given, log_variance=jnp.asarray(-0.7)), shared, rtol=1e-5)

    def test_l1(self) -> None:
        found = losses.l1_error(outputs=jnp.asarray(self.OUTPUTS), targets=jnp.asarray(self.TARGETS))
        np.testing.assert_allclose(found, np.abs(self.OUTPUTS - self.TARGETS).sum((1, 2, 3)), rtol=1e-5)

    @pytest.mark.parametrize(
        "call",
        [
            lambda a, b: losses.bernoulli_nll(logits=a, targets=b),
            lambda a, b: losses.gaussian_nll(mean=a, log_variance=jnp.zeros(()), targets=b),
            lambda a, b: losses.l1_error(outputs=a, targets=b),
            lambda a, b: losses.gaussian_kl(mean=a, log_variance=b),
        ],
    )
    def test_shapes_that_differ(self, call: Callable[..., Any]) -> None:
        with pytest.raises(InputError, match="one shape is expected"):
            call(jnp.zeros((2, 3)), jnp.zeros((2, 1)))


class TestDivergence:
    def test_against_numerical_integration(self) -> None:
        for mean, deviation in ((0.0, 1.0), (1.3, 0.4), (-0.5, 2.0)):
            q: Any = stats.norm(mean, deviation)
            ends = mean - 12 * deviation, mean + 12 * deviation
            expected, _ = integrate.quad(lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z)), *ends)
            found = losses.gaussian_kl(
                mean=jnp.full((1, 1), mean), log_variance=jnp.full((1, 1), 2 * math.log(deviation))
            )
            assert float(found[0, 0]) == pytest.approx(expected, rel=1e-5, abs=1e-9)

    def test_small_divergences_keep_their_digits(self) -> None:
        log_variance = np.float32(1e-3)
        exact = (np.expm1(np.float64(log_variance)) - np.float64(log_variance)) / 2
        found = losses.gaussian_kl(mean=jnp.zeros((1, 1)), log_variance=jnp.full((1, 1), log_variance))
        # expm1 within two units in the last place, 1.2e-10 each, leaves 4.7e-4 of the 5e-7; exp(x) - 1 leaves 12%.
        assert float(found[0, 0]) == pytest.approx(exact, rel=5e-4)

    def test_free_bits(self) -> None:
        kl = jnp.asarray([[0.0, 2.0, 0.4], [0.2, 4.0, 0.6]])  # means 0.1, 3, 0.5
        assert float(losses.free_bits(kl, nats=0.5)) == pytest.approx(0.5 + 3 + 0.5)
        assert float(losses.free_bits(kl, nats=0)) == pytest.approx(3.6)
        gradient = jax.grad(lambda kl: losses.free_bits(kl, nats=0.3))(kl)
        np.testing.assert_allclose(gradient, [[0, 0.5, 0.5]] * 2)

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="latent dimensions"):
            losses.gaussian_kl(mean=jnp.zeros(3), log_variance=jnp.zeros(3))
        with pytest.raises(InputError, match=r"kl has shape \(3,\)"):
            losses.free_bits(jnp.zeros(3), nats=1.0)
        with pytest.raises(InputError, match="nats is -1"):
            losses.free_bits(jnp.zeros((3, 1)), nats=-1.0)


class TestBounds:
    def test_elbo(self) -> None:
        nll, kl = jnp.asarray([10.0, 20.0]), jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
        np.testing.assert_allclose(losses.elbo(reconstruction_nll=nll, kl=kl), [-13, -27])
        np.testing.assert_allclose(losses.elbo(reconstruction_nll=nll, kl=kl, beta=4.0), [-22, -48])
        with pytest.raises(InputError, match=r"\[N\] and \[N, D\]"):
            losses.elbo(reconstruction_nll=nll, kl=kl[0])
        with pytest.raises(InputError, match="beta is -1"):
            losses.elbo(reconstruction_nll=nll, kl=kl, beta=-1.0)

    def test_importance_weights(self) -> None:
        weights = np.random.default_rng(6).normal(-500, 3, size=(7, 4))
        expected = np.asarray(special.logsumexp(weights, axis=0)) - math.log(7)
        np.testing.assert_allclose(losses.importance_weighted_bound(jnp.asarray(weights)), expected, rtol=1e-6)
        np.testing.assert_allclose(losses.importance_weighted_bound(jnp.asarray(weights[:1])), weights[0], rtol=1e-6)
        with pytest.raises(InputError, match="K draws"):
            losses.importance_weighted_bound(jnp.zeros((0, 4)))

    def test_density(self) -> None:
        values, mean, log_variance = np.random.default_rng(7).normal(size=(3, 5, 2))
        expected = stats.norm.logpdf(values, mean, np.exp(log_variance / 2)).sum(1)
        found = losses.gaussian_log_density(
            values=jnp.asarray(values), mean=jnp.asarray(mean), log_variance=jnp.asarray(log_variance)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        with pytest.raises(InputError, match="cannot be broadcast"):
            losses.gaussian_log_density(values=jnp.zeros((2, 3)), mean=jnp.zeros(2), log_variance=jnp.zeros(()))

    def test_the_bounds_of_a_linear_model_meet_its_evidence(self) -> None:
        # z ~ N(0, 1), x | z ~ N(z, 1): p(x) = N(0, 2), and the posterior is N(x / 2, 1/2).
        x, log_half = 1.7, math.log(0.5)
        evidence = stats.norm.logpdf(x, 0, math.sqrt(2))
        draws = jax.random.normal(jax.random.key(0), (4000, 1))

        def bounds(mean: float, log_variance: float) -> tuple[float, float]:
            z = mean + math.exp(log_variance / 2) * draws
            nll = losses.gaussian_nll(mean=z, log_variance=jnp.zeros(()), targets=jnp.full((4000, 1), x))
            prior = losses.gaussian_log_density(values=z, mean=jnp.zeros(()), log_variance=jnp.zeros(()))
            posterior = losses.gaussian_log_density(
                values=z, mean=jnp.asarray(mean), log_variance=jnp.asarray(log_variance)
            )
            kl = losses.gaussian_kl(mean=jnp.full((1, 1), mean), log_variance=jnp.full((1, 1), log_variance))
            plain = losses.elbo(reconstruction_nll=nll.mean()[None], kl=kl)[0]
            return float(plain), float(losses.importance_weighted_bound((prior - nll - posterior)[:, None])[0])

        exact = bounds(x / 2, log_half)
        # The plain bound's reconstruction is an average of draws: its standard error is about 1 / sqrt(4000).
        np.testing.assert_allclose(exact[0], evidence, atol=0.06)
        np.testing.assert_allclose(exact[1], evidence, atol=1e-5)  # every weight is the evidence itself
        plain, weighted = bounds(0.0, 0.0)
        assert plain < weighted
        assert weighted == pytest.approx(evidence, abs=0.06)


MAPS = [{"a": jnp.asarray(np.random.default_rng(seed).normal(size=(2, 4, 5, 3)), jnp.float32)} for seed in (3, 4)]
OF_MAPS = {"features_x": MAPS[0], "features_y": MAPS[1]}
IMAGES = {name: np.random.default_rng(seed).random((1, 24, 25, 1)) for name, seed in (("x", 5), ("y", 6))}
DEFAULTS = {
    "content_loss": Example(
        losses.content_loss,
        OF_MAPS,
        {"weights": Default(None, ({"a": 2.0},)), "reduction": Default("mean", ("sum-of-channels",))},
    ),
    "elbo": Example(
        losses.elbo,
        {"reconstruction_nll": np.ones(2), "kl": np.ones((2, 3))},
        {"beta": Default(1.0, (0.9, 1.1))},
    ),
    "gradient_penalty": Example(
        losses.gradient_penalty,
        {
            "discriminator": linear,
            "real": jnp.ones((2, 1, 1, 3)),
            "fake": jnp.zeros((2, 1, 1, 3)),
            "key": jax.random.key(0),
        },
        {"target": Default(1.0, (0.0, 2.0))},
    ),
    "perceptual_loss": Example(
        losses.perceptual_loss,
        {**OF_MAPS, "content": {"a": 1.0}},
        {
            "style": Default(None, ({"a": 1.0},)),
            "normalisation": Default("johnson", ("none", "gatys"), {"style": {"a": 1.0}}),
        },
    ),
    "structure_loss": Example(
        losses.structure_loss,
        {**IMAGES, "data_range": 1.0},
        {
            "similarity": Default("ssim", ("gradient",)),
            # Five scales are too many for the image: both are one refusal, fewer are none.
            "weights": Default((0.0448, 0.2856, 0.3001, 0.2363, 0.1333), ((0.4, 0.6),), {"similarity": "ms-ssim"}),
        },
    ),
    "style_loss": Example(
        losses.style_loss,
        OF_MAPS,
        {"weights": Default(None, ({"a": 2.0},)), "normalisation": Default("johnson", ("none", "gatys"))},
    ),
}


def test_every_default_is_in_the_table() -> None:
    for name in losses.__all__:
        loss = getattr(losses, name)
        if callable(loss) and not inspect.isclass(loss):
            assert_complete(name, DEFAULTS.get(name, Example(loss, {}, {})), frozenset({"data_range"}))


@defaults_of(DEFAULTS, *DEFAULTS)
def test_default_values_are_the_documented_ones(example: Example, parameter: str) -> None:
    assert_default(example, parameter)
