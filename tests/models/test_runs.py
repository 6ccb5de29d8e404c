"""Runs: to the same bits after an interruption, stopped by NaN, sampled by name, and damaged in every way."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image
from small_runs import gan_config, mesh_of, small_splits, vae_config, with_evaluation

from jaxeval.errors import InputError
from jaxeval.images import open_source
from models.bounds import bounds_of
from models.curves import curves_png
from models.runs import Run, image_grid
from models.sampling import Sampler, from_run
from models.training import DivergedError, train
from models.training_config import RunConfig, VaeTraining

# One worker, which makes the fixtures once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]
CONFIGS = {"gan": gan_config({"classes": 2}), "vae": vae_config(binarise=True)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A finished run of each kind."""
    found = {}
    for name, config in CONFIGS.items():
        found[name] = Run.create(tmp_path_factory.mktemp("runs") / name, config)
        train(found[name], small_splits(), mesh=mesh_of(1))
    return found


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_run_that_was_left_reaches_the_same_bits(kind: str, runs: dict[str, Run], tmp_path: Path) -> None:
    whole, splits = runs[kind], small_splits()
    left = Run.create(tmp_path / "left", CONFIGS[kind])
    train(left, splits, mesh=mesh_of(1), stop_at=4)
    assert not (left.folder / "report.json").exists()
    train(Run.create(tmp_path / "left", CONFIGS[kind]), splits, mesh=mesh_of(1))
    for name in ("weights/3.safetensors", "weights/6.safetensors", "samples/6.png"):
        assert (left.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    rows, expected = [], []
    for run, target in ((left, rows), (whole, expected)):
        run.restore_rows(6)
        target += run.rows
    assert [row.keys() for row in rows] == [row.keys() for row in expected]
    for row, other in zip(rows, expected, strict=True):
        for column, value in row.items():
            if column.startswith(("fd_", "kd_")):  # of the host's linear algebra, whose threads may sum in any order
                assert value == pytest.approx(other[column], rel=1e-6, abs=1e-6)
            else:
                assert value == other[column], column


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_run_leaves_what_it_says(kind: str, runs: dict[str, Run]) -> None:
    run = runs[kind]
    lines = (run.folder / "metrics.csv").read_text().splitlines()
    assert len(lines) == 1 + 7  # steps 0 to 6
    loss = {"gan": "discriminator_loss", "vae": "elbo"}[kind]
    for column in ("step", loss, "fd_train", "fd_validation", "fd_gap", "kd_validation", "precision", "recall"):
        assert column in lines[0].split(",")
    report = json.loads((run.folder / "report.json").read_text())
    assert report["last"]["step"] == 6
    assert report["best"]["step"] == json.loads((run.folder / "best.json").read_text())["step"]
    assert "fd_held_out" in report["last"]
    assert "| fd_held_out |" in (run.folder / "report.md").read_text()
    with Image.open(run.folder / "curves.png") as curves, Image.open(run.folder / "samples" / "6.png") as grid:
        assert curves.width > 500
        assert grid.size == (10 * 12 * 2, 6 * 12 * 2)
    assert list(run.steps()) == [0, 3, 6]


def test_the_best_is_the_best_by_the_metric_not_the_last(runs: dict[str, Run]) -> None:
    for run in runs.values():
        run.restore_rows(6)
        distances = {int(row["step"]): row["fd_validation"] for row in run.rows if "fd_validation" in row}
        assert run.step_of("best") == min(distances, key=lambda step: distances[step])


def test_training_that_diverges_says_when_and_what_to_do(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", vae_config(learning_rate=1e30))
    with pytest.raises(DivergedError, match=r"not finite at step [12] of .*; lower the learning rate") as caught:
        train(run, small_splits(), mesh=mesh_of(1))
    assert str(caught.value).count(". ") == 0
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_source_by_name_is_seeded_and_the_same_on_any_number_of_devices(kind: str, runs: dict[str, Run]) -> None:
    run = runs[kind]
    name = f"call:models.sampling:from_run?run={run.folder}&checkpoint=last"
    images, again, other = (
        np.asarray([item.read() for item in open_source(name, num_samples=70, seed=seed).items()]) for seed in (5, 5, 6)
    )
    assert images.shape == (70, 12, 12, 1)
    np.testing.assert_array_equal(images, again)
    assert not np.array_equal(images, other)
    drawn = []
    for devices in (1, 4):  # the source itself has used all eight
        sampler = Sampler(run.config.network, mesh_of(devices))
        drawn.append(sampler(run.weights("last", like=sampler.template), 13, 2).astype(int))
    assert np.abs(drawn[0] - drawn[1]).max() <= 1  # rounding may cross a half


def test_a_class_can_be_asked_for(runs: dict[str, Run]) -> None:
    folder = runs["gan"].folder
    zero, one = (from_run(run=folder, label=label)(9, 3) for label in ("0", 1))
    assert not np.array_equal(zero, one)
    for label in (2, "-1", "blue", ""):
        with pytest.raises(InputError, match="2 classes, counted from 0"):
            from_run(run=folder, label=label)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _scramble(path: Path) -> None:
    path.write_bytes(b"\x80\x04pickled things" * 10)


def _not_finite(path: Path) -> None:
    from safetensors.numpy import load, save

    arrays = load(path.read_bytes())
    arrays[min(arrays)] = np.full_like(arrays[min(arrays)], np.nan)
    path.write_bytes(save(arrays))


def _another_network(path: Path) -> None:
    from safetensors.numpy import load, save

    arrays = load(path.read_bytes())
    arrays.pop(min(arrays))
    path.write_bytes(save(arrays))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "is damaged"),
        (_scramble, "is damaged"),
        (_not_finite, "not finite"),
        (_another_network, "does not fit the run's configuration"),
        (Path.unlink, "has no weights of checkpoint '6'"),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(
    damage: Any, message: str, runs: dict[str, Run], tmp_path: Path
) -> None:
    run = runs["vae"]
    folder = tmp_path / "copy"
    (folder / "weights").mkdir(parents=True)
    for name in ("config.json", "best.json", "weights/3.safetensors", "weights/6.safetensors"):
        (folder / name).write_bytes((run.folder / name).read_bytes())
    damage(folder / "weights" / "6.safetensors")
    with pytest.raises(InputError, match=message) as caught:
        open_source(f"call:models.sampling:from_run?run={folder}&checkpoint=6", num_samples=3)
    assert "\n" not in str(caught.value)
    assert from_run(run=folder, checkpoint="3")(2, 0).shape == (2, 12, 12, 1)


@pytest.mark.parametrize("config", ["", "[]", "{", '{"network": {"kind": "flow"}}', '{"network": {"kind": "gan"}}'])
def test_a_run_without_a_configuration_is_refused(config: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        from_run(run=tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match=r"cannot be read|choose gan or vae|not as expected"):
        from_run(run=tmp_path)


def test_checkpoint_names(runs: dict[str, Run]) -> None:
    for name in ("0x3", "../../etc/passwd", "7", "", "-1", "latest"):
        with pytest.raises(InputError, match=r"choose best, last or one of the steps kept \(0, 3, 6\)"):
            runs["gan"].step_of(name)


def test_another_configuration_is_not_mixed_in(runs: dict[str, Run]) -> None:
    changed = with_evaluation(CONFIGS["vae"], images=19)
    with pytest.raises(InputError, match=r"another configuration \(evaluation.images\)"):
        Run.create(runs["vae"].folder, changed)


@pytest.mark.parametrize(
    ("config", "devices", "message"),
    [
        (gan_config({"classes": 3}), 1, "has 2 classes, and the network 3"),
        (gan_config(batch_size=6), 4, "cannot be divided over 4 devices"),
    ],
)
def test_images_that_do_not_fit_are_refused(config: RunConfig, devices: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        train(Run.create(tmp_path / "run", config), small_splits(), mesh=mesh_of(devices))


def test_bounds_are_ordered_and_those_of_the_weights(runs: dict[str, Run]) -> None:
    run = runs["vae"]
    network, training = run.config.network, run.config.training
    assert isinstance(training, VaeTraining)
    sampler = Sampler(network, mesh_of(1))
    weights = jax.device_put(run.weights("last", like=sampler.template))
    data = small_splits().held_out
    one = bounds_of(network, training, weights, data, draws=1)  # pyright: ignore[reportArgumentType]
    many = bounds_of(network, training, weights, data, draws=25)  # pyright: ignore[reportArgumentType]
    assert one.elbo == pytest.approx(one.importance_weighted, abs=1e-4)
    assert many.importance_weighted > many.elbo
    assert many.images == 20
    assert abs(one.elbo - many.elbo) < 6 * one.elbo_error
    with pytest.raises(InputError, match="1 or more"):
        bounds_of(network, training, weights, data, draws=0)  # pyright: ignore[reportArgumentType]


def test_curves_and_grids_are_pictures(tmp_path: Path) -> None:
    rows = [{"step": float(step), "fd_train": 2.0 / (1 + step), "recall": 0.1 * step} for step in range(5)]
    (tmp_path / "curves.png").write_bytes(curves_png(rows, "a run"))
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 0
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 3)).astype(np.uint8)
    grid = np.asarray(image_grid(images, columns=5, zoom=1))
    np.testing.assert_array_equal(grid[3:6, 4:8], images[6])
    assert not grid[3:, 8:].any()
