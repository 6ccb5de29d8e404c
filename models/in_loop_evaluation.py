"""What a run is judged by as it goes: jaxeval's streaming metrics over features computed on the training mesh.

Images become the network's input as the default protocol has it, so that features are those of `jaxeval.features`. The
same generated images are compared with training images and with validation images that were not trained on; the
difference of the two distances is the over-fitting gap, in which what so few images cost cancels.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float32, UInt8

from jaxeval.distributed import pad_batch, replicate_on
from jaxeval.evaluation import DEFAULT_PROTOCOL, PROTOCOLS
from jaxeval.extractors import load_extractor
from jaxeval.images import prepare, resize_on_device
from jaxeval.images.resizing import ROUNDED_KINDS
from jaxeval.metrics import Collection, FrechetDistance, KernelDistance, Manifold, Mean
from jaxeval.ops import losses
from jaxeval.ops.image_quality import ssim
from models.data import DataSet, Splits, place_rows
from models.functional import Weights
from models.training_config import EvaluationConfig
from models.vae_training import VaeTrainer, network_input

_BATCH = 250
_SSIM_WINDOW = 11  # pixels: smaller images have no SSIM
Draw = Callable[[int, int], UInt8[np.ndarray, "n h w c"]]


class SampleEvaluation:
    """Distances of generated images from training images and from images that were not trained on.

    Args:
      config: of the evaluation.
      splits: whose first images are the two references.
      mesh: of one axis, over which images are divided.
    """

    def __init__(self, config: EvaluationConfig, splits: Splits, mesh: Mesh):
        self.config, self.mesh = config, mesh
        self._axis = mesh.axis_names[0]
        # As many on both sides and of each reference, so that the cost of few images is the same.
        self.count = min(config.images, len(splits.train), len(splits.validation), len(splits.held_out))
        self._batch = -(-min(_BATCH, self.count) // mesh.size) * mesh.size
        capacity = -(-self.count // self._batch) * self._batch
        self._network = load_extractor(config.extractor)
        protocol = PROTOCOLS[DEFAULT_PROTOCOL]
        self._preparation = protocol.preparation(self._network)
        self._normalisation = protocol.normalisation_for(self._network)
        self._params = replicate_on(mesh, self._network.params)
        shape = (*(self._preparation.size or splits.train.images.shape[1:3]), 3)
        size = jax.eval_shape(self._extract, self._params, jax.ShapeDtypeStruct((1, *shape), np.uint8)).shape[1]
        self._frechet, self._kernel = FrechetDistance(size), KernelDistance(size, capacity)
        self._manifold = Manifold(size, capacity, k=5)
        # The manifold's rows are the kernel distance's: one pair of buffers.
        self._metrics = Collection({"fd": self._frechet, "kd": self._kernel})
        self._features = jax.jit(self._extract)
        self._update = jax.jit(self._metrics.update)
        self._references = {name: self._filled(getattr(splits, name), "reference") for name in ("train", "validation")}
        self._splits = splits

    def __call__(self, draw: Draw, *, manifold: bool, against: str = "validation") -> dict[str, float]:
        """The numbers of a generator by name: `fd_train`, `fd_validation`, `fd_gap` and so on.

        Args:
          draw: `(count, seed) -> images`.
          manifold: whether precision, recall, density and coverage are wanted too.
          against: "validation", or "held_out" for the final report.
        """
        if against not in self._references:
            self._references[against] = self._filled(getattr(self._splits, against), "reference")
        states = {name: self._references[name] for name in ("train", against)}
        for number, start in enumerate(range(0, self.count, self._batch)):
            images = draw(min(self._batch, self.count - start), 1 + number)
            features, mask = self._rows(images)
            for name, state in states.items():
                states[name] = self._update(state, generated=features, generated_mask=mask)
        found: dict[str, float] = {}
        for name, state in states.items():
            values = self._metrics.compute(state)
            found[f"fd_{name}"], found[f"kd_{name}"] = values["fd"].value, values["kd"].value
            if values["kd"].standard_error is not None:
                found[f"kd_{name}_error"] = values["kd"].standard_error
        for metric in ("fd", "kd"):
            found[f"{metric}_gap"] = found[f"{metric}_{against}"] - found[f"{metric}_train"]
        if manifold:
            found |= dict(self._manifold.compute(states[against]["kd"]).values)
        return found

    def _filled(self, data: DataSet, side: str) -> Any:
        state = self._metrics.init_on(self.mesh, self._axis)
        for start in range(0, self.count, self._batch):
            features, mask = self._rows(data.images[start : min(start + self._batch, self.count)])
            state = self._update(state, **{side: features, f"{side}_mask": mask})
        return state

    def _rows(self, images: UInt8[np.ndarray, "n h w c"]) -> tuple[Array, Array]:
        prepared = self._rounded(images) if self._preparation.resize in ROUNDED_KINDS else images
        padded, mask = pad_batch(prepared, self._batch)
        return self._features(self._params, place_rows(self.mesh, padded)), place_rows(self.mesh, mask)

    def _rounded(self, images: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n out_h out_w 3"]:
        """Images resized on the host, where alone the kinds that round between their passes can be had."""
        coloured = np.broadcast_to(images, (*images.shape[:3], 3))
        return np.stack([prepare(image, self._preparation) for image in coloured])

    def _extract(self, params: Any, images: Array) -> Array:
        levels = jnp.broadcast_to(images.astype(jnp.float32), (*images.shape[:3], 3))
        size = self._preparation.size
        if size is not None and levels.shape[1:3] != size:
            levels = resize_on_device(levels, size, self._preparation.resize)
        return self._network.apply(params, levels, normalisation=self._normalisation)[self._network.default_tap]


def _similarity(pictures: Array, originals: Array) -> Array:
    return ssim(pictures, originals, data_range=1.0)


class AutoencoderEvaluation:
    """An autoencoder's bound, its two terms, and how like the images its reconstructions are.

    Args:
      trainer: of the autoencoder.
      splits: of which the first images of each part are encoded.
      count: how many.
    """

    def __init__(self, trainer: VaeTrainer, splits: Splits, count: int):
        self._trainer, self._splits, self._count = trainer, splits, count
        self._batch = -(-min(_BATCH, count) // trainer.mesh.size) * trainer.mesh.size
        metrics = {name: Mean(name) for name in ("elbo", "kl", "nll")}
        if min(splits.train.images.shape[1:3]) >= _SSIM_WINDOW:
            metrics["ssim"] = Mean("ssim", _similarity, ("pictures", "originals"))
        self._metrics = Collection(metrics)
        self._update = jax.jit(self._add)

    def __call__(self, weights: Weights, *, against: str = "validation") -> dict[str, float]:
        """`elbo_train`, `elbo_validation`, `elbo_gap`, and so for `kl`, `nll` and `ssim`.

        `elbo_gap` is train less the other; images smaller than SSIM's window have no `ssim`.
        """
        found = {}
        for name in ("train", against):
            data = getattr(self._splits, name)
            state = self._metrics.init()
            for number, (images, labels, mask) in enumerate(self._batches(data)):
                state = self._update(state, weights, images, labels, mask, number)
            for metric, value in self._metrics.compute(state).items():
                found[f"{metric}_{name}"] = value.value
        found["elbo_gap"] = found["elbo_train"] - found[f"elbo_{against}"]
        return found

    def reconstructions(self, weights: Weights, count: int = 20) -> UInt8[np.ndarray, "n h w c"]:
        """Validation images in rows of ten, each row followed by its reconstructions."""
        data = self._splits.validation
        count = min(count, len(data)) // 10 * 10
        images = data.images[:count]
        labels = None if data.labels is None else jnp.asarray(data.labels[:count])
        pictures = self._encode(weights, jnp.asarray(images), labels, 0)[0]
        made = np.asarray(jnp.rint(255 * pictures)).astype(np.uint8)
        rows = np.stack([images.reshape(-1, 10, *images.shape[1:]), made.reshape(-1, 10, *images.shape[1:])], axis=1)
        return rows.reshape(-1, *images.shape[1:])

    def _batches(self, data: DataSet) -> Iterator[tuple[Array, Array | None, Array]]:
        count = min(self._count, len(data))
        put = functools.partial(place_rows, self._trainer.mesh)
        for start in range(0, count, self._batch):
            rows = slice(start, min(start + self._batch, count))
            images, mask = pad_batch(data.images[rows], self._batch)
            labels = None if data.labels is None else put(pad_batch(data.labels[rows], self._batch)[0])
            yield put(images), labels, put(mask)

    def _encode(self, weights: Weights, images: Array, labels: Array | None, number: Any) -> tuple[Array, ...]:
        trainer = self._trainer
        model: Any = nnx.merge(trainer.graph, weights.params, weights.rest)
        labels = labels if trainer.config.classes else None
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), number))
        inputs = network_input(images, keys[0], binarise=trainer.training.binarise)
        mean, log_variance = model.encode(inputs, labels)
        codes = mean + jnp.exp(log_variance / 2) * jax.random.normal(keys[1], mean.shape)
        nll = model.nll(model.decode(codes, labels), inputs)
        kl = losses.gaussian_kl(mean=mean, log_variance=log_variance)
        return model.pictures(model.decode(mean, labels)), nll, kl

    def _add(
        self, state: Any, weights: Weights, images: Array, labels: Array | None, mask: Array, number: Array
    ) -> Any:
        pictures, nll, kl = self._encode(weights, images, labels, number)
        return self._metrics.update(
            state,
            elbo=losses.elbo(reconstruction_nll=nll, kl=kl),
            kl=kl.sum(1),
            nll=nll,
            pictures=pictures,
            originals=images.astype(jnp.float32) / 255,
            mask=mask,
        )
