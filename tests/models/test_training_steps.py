"""Steps: averages by hand, devices that agree, batches learned by heart, and a posterior that collapses on purpose."""

import json
from typing import Any

import jax
import numpy as np
import pytest
from small_runs import gan_config, mesh_of, rectangles, small_splits, vae_config

from jaxeval.errors import InputError
from models.data import Batches, TrainingBatch, on_mesh
from models.in_loop_evaluation import AutoencoderEvaluation
from models.training import make_trainer
from models.training_config import RunConfig, make_optimizer, run_config
from models.vae_training import VaeTrainer


def steps_of(config: RunConfig, devices: int, steps: int) -> tuple[Any, list[dict[str, float]]]:
    mesh = mesh_of(devices)
    trainer = make_trainer(config, mesh)
    batches = Batches(rectangles(64), trainer.images_per_step, config.training.seed)
    state, logs = trainer.init(), []
    for step in range(steps):
        state, found = trainer.step(state, on_mesh(mesh, batches.at(step)))
        logs.append({name: float(value) for name, value in found.items()})
    return jax.device_get(state), logs


CONFIGS = {
    "dense gan": gan_config(),
    "conditional, three discriminator steps": gan_config({"classes": 2}, discriminator_steps=3, loss="hinge"),
    "convolutional, spectral, r1": gan_config(
        {"architecture": "convolutional", "spectral_norm": True}, r1=1.0, clip=5.0
    ),
    "r3gan": gan_config({"architecture": "r3gan"}, loss="relativistic", r1=0.5, r2=0.5),
    "wasserstein": gan_config(loss="wasserstein", gradient_penalty=10.0),
    "vae": vae_config(binarise=True, free_bits=0.1, schedule="cosine", warmup=2),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name not in ("dense gan", "vae") else ()) for name in CONFIGS],
)
def test_one_device_and_four_agree(name: str) -> None:
    config = CONFIGS[name]
    one, four = steps_of(config, 1, 3), steps_of(config, 4, 3)
    for a, b in zip(one[1], four[1], strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=2e-3, atol=2e-5)
    # Adam divides by the gradient's size: where that is rounding alone, a weight may go either way, by its rate.
    moved = 6 * config.training.learning_rate
    for a, b in zip(jax.tree.leaves(one[0]), jax.tree.leaves(four[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=moved)
        if a.size > 1:
            assert np.abs(a - b).mean() < 0.05 * moved + 1e-4 * np.abs(a).mean()


@pytest.mark.parametrize("config", [gan_config(ema=0.7), vae_config(ema=0.7)], ids=["gan", "vae"])
def test_the_average_is_that_of_the_weights(config: RunConfig) -> None:
    mesh = mesh_of(1)
    trainer: Any = make_trainer(config, mesh)
    batches = Batches(rectangles(32), 8, 0)
    state = trainer.init()
    expected = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(state.average)]
    for step in range(12):
        state, _ = trainer.step(state, on_mesh(mesh, batches.at(step)))
        weights = state.weights if isinstance(trainer, VaeTrainer) else state.generator
        kept = min(0.7, (1 + step) / (10 + step))
        pairs = zip(expected, jax.tree.leaves(weights), strict=True)
        expected = [kept * old + (1 - kept) * np.asarray(new) for old, new in pairs]
    for ours, by_hand in zip(jax.tree.leaves(trainer.sampled(state)), expected, strict=True):
        np.testing.assert_allclose(ours, by_hand, rtol=1e-5, atol=1e-6)


def one_batch(config: RunConfig, steps: int) -> tuple[Any, dict[str, float]]:
    mesh = mesh_of(1)
    trainer = make_trainer(config, mesh)
    data = rectangles(8, seed=4)
    batch = on_mesh(mesh, TrainingBatch(np.where(data.images > 0, 255, 0).astype(np.uint8), data.labels))
    state, found = trainer.init(), {}
    for _ in range(steps):
        state, found = trainer.step(state, batch)
    return state, {name: float(value) for name, value in found.items()}


def test_an_autoencoder_learns_one_batch_by_heart() -> None:
    config = vae_config({"width": 8, "latent_size": 8}, beta=0.0, learning_rate=5e-3)
    assert one_batch(config, 1)[1]["nll"] == pytest.approx(144 * np.log(2), rel=0.05)
    assert one_batch(config, 400)[1]["nll"] < 1  # of 100


def test_a_discriminator_learns_one_batch_by_heart() -> None:
    config = gan_config({"width": 8}, learning_rate=1e-9, discriminator_rate=5e6)  # the generator stands still
    assert one_batch(config, 1)[1]["discriminator_loss"] == pytest.approx(2 * np.log(2), rel=0.2)
    assert one_batch(config, 200)[1]["discriminator_loss"] < 0.01


def test_posterior_collapse_is_seen() -> None:
    found = {}
    for beta in (1.0, 200.0):
        mesh = mesh_of(1)
        config = vae_config({"width": 8}, beta=beta, learning_rate=3e-3, ema=0.9)
        trainer, splits = make_trainer(config, mesh), small_splits()
        assert isinstance(trainer, VaeTrainer)
        batches, state = Batches(splits.train, 8, 0), trainer.init()
        for step in range(300):
            state, _ = trainer.step(state, on_mesh(mesh, batches.at(step)))
        found[beta] = AutoencoderEvaluation(trainer, splits, 20)(trainer.sampled(state))
    assert found[1.0]["kl_validation"] > 1
    assert found[200.0]["kl_validation"] < 0.02
    assert found[1.0]["ssim_validation"] > found[200.0]["ssim_validation"] + 0.1
    for numbers in found.values():
        bound = -numbers["nll_validation"] - numbers["kl_validation"]
        assert numbers["elbo_validation"] == pytest.approx(bound, rel=1e-5)
        assert numbers["elbo_gap"] == pytest.approx(numbers["elbo_train"] - numbers["elbo_validation"], rel=1e-6)


def test_free_bits_keep_the_code_in_use() -> None:
    kept = one_batch(vae_config(beta=50.0, learning_rate=3e-3, free_bits=0.5), 300)[1]["kl"]
    lost = one_batch(vae_config(beta=50.0, learning_rate=3e-3), 300)[1]["kl"]
    assert lost < 0.1 < 1.0 < kept < 2.0  # three dimensions of half a nat


def test_schedules_rise_and_fall() -> None:
    for schedule, half in (("constant", 1.0), ("cosine", 0.5), ("linear", 0.5)):
        training = vae_config(schedule=schedule, warmup=10, steps=110, learning_rate=0.2).training
        optimizer = make_optimizer(training)
        state: Any = optimizer.init(np.ones(1, np.float32))
        sizes = []
        for _ in range(110):
            change, state = optimizer.update(np.ones(1, np.float32), state)
            sizes.append(abs(float(np.asarray(change)[0])))
        assert sizes[0] == 0
        assert sizes[5] == pytest.approx(0.1, rel=1e-3)
        assert sizes[10] == pytest.approx(0.2, rel=1e-3)
        assert sizes[60] == pytest.approx(0.2 * half, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "perceptual"}, "loss is 'perceptual'"),
        ({"schedule": "step"}, "schedule is 'step'"),
        ({"learning_rate": 0.0}, "positive"),
        ({"ema": 1.0}, "less than 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"r1": -1.0}, "r1 is -1"),
        ({"beta1": 1.0}, "beta1 is 1"),
    ],
)
def test_training_that_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        gan_config(**change)


def test_a_gaussian_is_not_for_black_and_white() -> None:
    with pytest.raises(InputError, match="binarise is for"):
        vae_config({"likelihood": "gaussian"}, binarise=True)


def test_a_run_survives_json() -> None:
    for config in CONFIGS.values():
        assert run_config(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InputError, match="not as expected"):
        run_config({"network": {"kind": "gan"}})
