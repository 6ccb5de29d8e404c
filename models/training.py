"""Training as a whole: steps, evaluations, checkpoints and the report, in a folder that a run can go on from."""

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxeval.distributed import Checkpointer, batch_mesh, replicate_on
from jaxeval.errors import InputError, JaxevalError
from models.config import GanConfig
from models.curves import curves_png
from models.data import Batches, Splits, prefetch
from models.functional import from_bytes, to_bytes
from models.gan_training import GanTrainer
from models.in_loop_evaluation import AutoencoderEvaluation, SampleEvaluation
from models.runs import Run
from models.sampling import Sampler
from models.training_config import GanTraining, RunConfig, VaeTraining
from models.vae_training import VaeTrainer

_GRID = 60
_SAMPLE_SEED = 0
Listener = Callable[[int, dict[str, float]], None]


class DivergedError(JaxevalError):
    """Training ended because its numbers were no longer finite."""

    exit_code = 1


def make_trainer(config: RunConfig, mesh: Mesh) -> GanTrainer | VaeTrainer:
    """The trainer of a configuration."""
    if isinstance(config.network, GanConfig):
        assert isinstance(config.training, GanTraining)
        return GanTrainer(config.network, config.training, mesh)
    assert isinstance(config.training, VaeTraining)
    return VaeTrainer(config.network, config.training, mesh)


def train(
    run: Run,
    splits: Splits,
    *,
    mesh: Mesh | None = None,
    stop_at: int | None = None,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Trains the run to its last step, or goes on where it was left.

    A run that was left after any checkpoint reaches the same bits as one that was not, on the same devices.

    Args:
      run: its folder and configuration.
      splits: the images.
      mesh: of one axis, whose size divides the batch; all of this process's devices by default.
      stop_at: leave the run at this step, with a checkpoint.
      listener: told the step and the newest numbers at every row of losses and every evaluation.

    Returns:
      The report: what was written into report.json, or the last row where the run was left early.

    Raises:
      InputError: the images do not fit the network, or the batch the mesh.
      DivergedError: a loss or a gradient was not finite.
    """
    mesh = batch_mesh(jax.local_devices()) if mesh is None else mesh
    _check(run.config, splits, mesh)
    return _Loop(run, splits, mesh, listener).run_to(stop_at)


class _Loop:
    """One call of `train`."""

    def __init__(self, run: Run, splits: Splits, mesh: Mesh, listener: Listener | None):
        self.run, self.splits, self.mesh, self.listener = run, splits, mesh, listener
        config = run.config
        self.evaluation = config.evaluation
        self.trainer = make_trainer(config, mesh)
        self.sampler = Sampler(config.network, mesh)
        self.samples = SampleEvaluation(self.evaluation, splits, mesh)
        self.reconstruction = (
            AutoencoderEvaluation(self.trainer, splits, self.samples.count)
            if isinstance(self.trainer, VaeTrainer)
            else None
        )
        self.checkpoints = Checkpointer(run.folder / "checkpoints", config.to_dict() | {"devices": mesh.size})
        self.seconds = 0.0

    def run_to(self, stop_at: int | None) -> dict[str, Any]:
        try:
            return self._run_to(stop_at)
        finally:
            self.checkpoints.close()

    def _run_to(self, stop_at: int | None) -> dict[str, Any]:
        steps, run = self.run.config.training.steps, self.run
        last = steps if stop_at is None else min(stop_at, steps)
        state, begun = self._restored()
        batches = Batches(self.splits.train, self.trainer.images_per_step, self.run.config.training.seed)
        waited, started, steps_made = 0.0, time.monotonic(), begun
        found: dict[str, Any] = {}
        if begun == 0:
            self._evaluate(0, state)
        for batch in prefetch(batches, self.mesh, begun, last):
            state, found = self.trainer.step(state, batch)
            steps_made += 1
            if steps_made == begun + 1:
                jax.block_until_ready(state)  # what compiling takes is not training's speed
                started = time.monotonic()
            ends = steps_made == last
            if steps_made % self.evaluation.log_every == 0 or ends:
                self._log(steps_made, state, found)
            if steps_made % self.evaluation.every == 0 or steps_made == steps:
                jax.block_until_ready(state)
                pause = time.monotonic()
                self._evaluate(steps_made, state)
                waited += time.monotonic() - pause
            if steps_made % self.evaluation.every == 0 or ends:
                self.seconds += time.monotonic() - started - waited
                waited, started = 0.0, time.monotonic()
                self._save(state)
        if last < steps:
            return dict(run.rows[-1])
        return self._report()

    def _restored(self) -> tuple[Any, int]:
        state = self.trainer.init()
        saved = self.checkpoints.restore()
        if saved is None:
            return state, 0
        like = {"state": jax.eval_shape(lambda: state), "seconds": np.zeros((1,))}
        found = from_bytes(saved, like, where=f"the checkpoint in {str(self.run.folder)!r}")
        self.seconds = float(found["seconds"][0])
        step = int(found["state"].step)
        self.run.restore_rows(step)
        return replicate_on(self.mesh, found["state"]), step

    def _save(self, state: Any) -> None:
        self.run.write_rows()  # a run that goes on from here finds the rows up to here
        self.checkpoints.save(to_bytes({"state": state, "seconds": np.asarray([self.seconds])}))

    def _log(self, step: int, state: Any, found: dict[str, Any]) -> None:
        numbers = {name: float(value) for name, value in jax.device_get(found).items()}
        bad = int(state.bad)
        if bad >= 0:
            kept = self.run.steps()
            left = f"the weights of step {kept[-1]:,} are kept" if kept else "nothing was kept"
            raise DivergedError(
                f"a loss or gradient was not finite at step {bad:,} of {str(self.run.folder)!r}; lower the learning "
                f"rate, limit the gradient (--clip) or regularise the discriminator (--r1) in a new run: {left}"
            )
        self.run.add_row(step, numbers)
        self._tell(step, numbers)

    def _draw(self, weights: Any) -> Callable[[int, int], np.ndarray]:
        return lambda count, seed: self.sampler(weights, count, seed)

    def _evaluate(self, step: int, state: Any) -> None:
        weights, run = self.trainer.sampled(state), self.run
        number = step // self.evaluation.every
        last = step == run.config.training.steps
        found = self.samples(self._draw(weights), manifold=last or number % self.evaluation.manifold_every == 0)
        if self.reconstruction is not None:
            found |= self.reconstruction(weights)
            run.write_grid(f"reconstructions/{step}.png", self.reconstruction.reconstructions(weights))
        run.add_row(step, found)
        run.save_weights(step, weights)
        labels = self._grid_labels()
        run.write_grid(f"samples/{step}.png", self.sampler(weights, _GRID, _SAMPLE_SEED, labels=labels))
        metric = f"{self.evaluation.metric}_validation"
        best = min((row for row in run.rows if metric in row), key=lambda row: row[metric])
        run.write("best.json", json.dumps({"step": int(best["step"]), metric: best[metric]}).encode() + b"\n")
        run.write_rows()
        run.write("curves.png", curves_png(run.rows, f"{run.folder.name}: {self.trainer.kind}, {step:,} steps"))
        self._tell(step, found)

    def _grid_labels(self) -> np.ndarray | None:
        classes = self.run.config.network.classes
        return np.arange(_GRID, dtype=np.int32) % min(classes, 10) if classes else None

    def _tell(self, step: int, numbers: dict[str, float]) -> None:
        if self.listener is not None:
            self.listener(step, numbers)

    def _report(self) -> dict[str, Any]:
        """Judges the best and the last weights by images that neither training nor choosing has seen."""
        run = self.run
        found: dict[str, Any] = {}
        for name in ("best", "last"):
            weights = replicate_on(self.mesh, run.weights(name, like=self.sampler.template))
            numbers: dict[str, Any] = {"step": run.step_of(name)}
            numbers |= self.samples(self._draw(weights), manifold=True, against="held_out")
            if self.reconstruction is not None:
                numbers |= self.reconstruction(weights, against="held_out")
            found[name] = numbers
        steps = run.config.training.steps
        report = {
            **found,
            "steps": steps,
            "images_seen": steps * self.trainer.images_per_step,
            "images_to_learn_from": len(self.splits.train),
            "images_judged": self.samples.count,
            "extractor": self.evaluation.extractor,
            "training_seconds": round(self.seconds, 1),
            "images_per_second": round(steps * self.trainer.images_per_step / max(self.seconds, 1e-9), 1),
            "devices": self.mesh.size,
        }
        run.write("report.json", json.dumps(report, indent=1).encode() + b"\n")
        run.write("report.md", _as_markdown(report, run.config).encode())
        return report


def _as_markdown(report: dict[str, Any], config: RunConfig) -> str:
    """The report for readers: held-out images beside those that were learned from."""
    best, last = report["best"], report["last"]
    lines = [
        f"# {config.kind} on {config.data}",
        "",
        f"{report['steps']:,} steps, {report['images_seen']:,} images seen, in {report['training_seconds']:,.0f} s of "
        f"training ({report['images_per_second']:,.0f} images/s on {report['devices']} devices). Best weights: step "
        f"{best['step']:,}, by {config.evaluation.metric} on validation images. All numbers by "
        f"{report['images_judged']:,} images over {report['extractor']} features; `train` are images that were learned "
        "from, `held_out` ones that nothing has seen, and a gap is what the generator does worse on these.",
        "",
        "| number | best | last |",
        "|---|---|---|",
        *(f"| {name} | {best[name]:.5g} | {last[name]:.5g} |" for name in best),
    ]
    settings = dataclasses.asdict(config.training)
    lines += ["", "Regularisers: " + (", ".join(_regularisers(config, settings)) or "none") + ".", ""]
    return "\n".join(lines)


def _regularisers(config: RunConfig, settings: dict[str, Any]) -> list[str]:
    names = ("r1", "r2", "gradient_penalty", "clip", "beta", "free_bits")
    neutral = {"beta": 1.0}
    found = [
        f"{name} {settings[name]:g}"
        for name in names
        if settings.get(name, 0.0) != neutral.get(name, 0.0) and name in settings
    ]
    if isinstance(config.network, GanConfig) and config.network.spectral_norm:
        found.append("spectral normalisation")
    return found


def _check(config: RunConfig, splits: Splits, mesh: Mesh) -> None:
    shape = splits.train.images.shape[1:]
    if shape != config.network.image_shape:
        wanted = config.network.image_shape
        raise InputError(f"the images of {splits.train.name} are {shape}, and the network is for {wanted}")
    classes = config.network.classes
    if classes and splits.train.classes != classes:
        raise InputError(f"{splits.train.name} has {splits.train.classes} classes, and the network {classes}")
    if config.training.batch_size % mesh.size:
        raise InputError(
            f"a batch of {config.training.batch_size} images cannot be divided over {mesh.size} devices; "
            "give a multiple"
        )
