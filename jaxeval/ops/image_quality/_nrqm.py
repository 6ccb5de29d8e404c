"""NRQM, the score of Ma et al. for super-resolution, and the perceptual index, its mean with NIQE.

Three regression forests see the three kinds of statistics of `ma_statistics`, and what they say is added up by four
weights. Forests are steps: nothing of NRQM has a gradient.

References: Ma, Yang, Yang, Yang, "Learning a no-reference quality metric for single-image super-resolution", CVIU 158,
2017; Blau, Mechrez, Timofte, Michaeli, Zelnik-Manor, "The 2018 PIRM challenge on perceptual image super-resolution",
ECCV Workshops 2018.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Integer

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._niqe import BLOCK, NiqeModel, niqe_of_image
from jaxeval.ops.image_quality.batches import Scores, check_choice, check_data_range, check_images, each_image
from jaxeval.ops.image_quality.colour import check_crop, cropped, gray, rounded_luma
from jaxeval.ops.image_quality.ma_statistics import FEATURES, LEAST_SIDE, ma_statistics

Pixels = Float[Array, "_ _ _"]
Index = Integer[Array | np.ndarray, " _"]


@dataclasses.dataclass(frozen=True, eq=False)
class NrqmForest:
    """A regression forest in the arrays of the package randomforest-matlab, a column for each tree.

    Attributes:
        left: where values go that are at most a node's threshold: a row's number from 1, 0 at leaves; [nodes, trees].
            The first row is the root; a node's daughters come after it.
        right: where other values go, as `left`.
        attribute: which feature is compared, from 1; any number at leaves; [nodes, trees].
        threshold: what it is compared with, float64 [nodes, trees].
        value: what a leaf predicts, float64 [nodes, trees].

    Example:
        >>> import numpy as np
        >>> from jaxeval.ops import image_quality
        >>> tree = image_quality.NrqmForest(  # 2 where the first feature is at most 0.5, and otherwise 7
        ...     left=np.array([[2], [0], [0]]),
        ...     right=np.array([[3], [0], [0]]),
        ...     attribute=np.array([[1], [0], [0]]),
        ...     threshold=np.array([[0.5], [0.0], [0.0]]),
        ...     value=np.array([[0.0], [2.0], [7.0]]),
        ... )
        >>> tree.left.shape
        (3, 1)
    """

    left: Integer[np.ndarray, "_ _"]
    right: Integer[np.ndarray, "_ _"]
    attribute: Integer[np.ndarray, "_ _"]
    threshold: Float[np.ndarray, "_ _"]
    value: Float[np.ndarray, "_ _"]

    def __post_init__(self):
        arrays = [getattr(self, field.name) for field in dataclasses.fields(self)]
        shape = self.left.shape
        if 0 in shape or any(array.shape != shape for array in arrays):
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise InputError(f"NrqmForest: arrays of shapes {shapes}; one shape (nodes, trees) is expected")
        if not (np.isfinite(self.threshold).all() and np.isfinite(self.value).all()):
            raise InputError("NrqmForest: values that are not finite")
        inner, own = self.left > 0, np.arange(1, shape[0] + 1)[:, None]
        for daughters in (self.left, self.right):
            if ((daughters != 0) != inner).any() or (daughters[inner] > shape[0]).any():
                raise InputError("NrqmForest: a node has one daughter, or one that is not there")
            if (inner & (daughters <= own)).any():
                raise InputError("NrqmForest: a node's daughter comes before it")
        if (self.attribute[inner] < 1).any():
            raise InputError("NrqmForest: an attribute of a node is below 1")


@dataclasses.dataclass(frozen=True, eq=False)
class NrqmModel:
    """What people said of super-resolved images, by their statistics.

    Attributes:
        forests: of the 18 statistics of cosine transforms, the 45 of a pyramid's bands and the 75 singular values.
        linear: a constant and what the forests' predictions are multiplied by, float64 [4].

    Example:
        >>> import numpy as np
        >>> from jaxeval.ops import image_quality
        >>> none, leaf = np.zeros((1, 1), int), np.zeros((1, 1))
        >>> forest = image_quality.NrqmForest(left=none, right=none, attribute=none, threshold=leaf, value=leaf + 5)
        >>> image_quality.NrqmModel(forests=(forest,) * 3, linear=np.array([0.0, 0.5, 0.25, 0.25])).linear.shape
        (4,)
    """

    forests: tuple[NrqmForest, NrqmForest, NrqmForest]
    linear: Float[np.ndarray, " _"]

    def __post_init__(self):
        if self.linear.shape != (4,) or len(self.forests) != len(FEATURES):
            raise InputError(
                f"NrqmModel: {len(self.forests)} forests and linear of shape {self.linear.shape}; "
                f"{len(FEATURES)} and (4,) are expected"
            )
        if not np.isfinite(self.linear).all():
            raise InputError("NrqmModel: values that are not finite")
        for forest, count in zip(self.forests, FEATURES, strict=True):
            highest = int(forest.attribute[forest.left > 0].max(initial=0))
            if highest > count:
                raise InputError(f"NrqmModel: a forest compares feature {highest} of {count}")

    @functools.cached_property
    def tables(self) -> tuple["_Nodes", ...]:
        """The forests as the device has them."""
        return tuple(_nodes(forest) for forest in self.forests)


class _Nodes(NamedTuple):
    """The nodes of all trees in a row, tree by tree, in positions of that row."""

    left: Index  # of a leaf itself, as `right`
    right: Index
    attribute: Index  # from 0
    level: Float[Array | np.ndarray, " _"]  # the threshold; of a leaf what it predicts
    roots: Index


def _nodes(forest: NrqmForest) -> _Nodes:
    count, trees = forest.left.shape
    roots = np.arange(trees, dtype=np.int32) * count
    own = roots[None] + np.arange(count, dtype=np.int32)[:, None]
    inner = forest.left > 0

    def in_a_row(array: np.ndarray, dtype: type) -> np.ndarray:
        return np.ascontiguousarray(array.T, dtype).reshape(-1)

    left, right = (np.where(inner, roots[None] + daughters - 1, own) for daughters in (forest.left, forest.right))
    return _Nodes(
        left=in_a_row(left, np.int32),
        right=in_a_row(right, np.int32),
        attribute=in_a_row(np.where(inner, forest.attribute - 1, 0), np.int32),
        level=in_a_row(np.where(inner, forest.threshold, forest.value), np.float32),
        roots=roots,
    )


@takes_arrays
def nrqm(x: Numbers, *, model: NrqmModel, data_range: float | None = None) -> Scores:
    """The no-reference quality metric of Ma et al. (the Ma score), of single images.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 84 x 84 pixels. As in the authors' code
        levels are of 8 bits, and RGB becomes MATLAB's rgb2gray in whole levels.
      model: what people said of images; docs/image_quality.md says how the published one is loaded.
      data_range: width of the values' range, such as 1.0 or 255.

    Returns:
      [N], by the published model about 0 to 10: higher is better. The gradient is 0, as a forest's prediction has steps
      and no slopes.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, a value is not finite, or images are too small.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> none, leaf = np.zeros((1, 1), int), np.zeros((1, 1))
      >>> forest = image_quality.NrqmForest(left=none, right=none, attribute=none, threshold=leaf, value=leaf + 5)
      >>> model = image_quality.NrqmModel(  # the published one: docs/image_quality.md
      ...     forests=(forest,) * 3, linear=np.array([0.0, 0.5, 0.25, 0.25])
      ... )
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.nrqm(x, model=model, data_range=1.0), images).shape
      (4,)
    """
    check_images("nrqm", "x", x, least_side=LEAST_SIDE, colours=(1, 3))
    peak = check_data_range("nrqm", {"x": x}, data_range)
    return _predicted(each_image(_features, x, data_range=peak), model.tables, model.linear.astype(np.float32))


@takes_arrays
def nrqm_features(x: Numbers, *, data_range: float | None = None) -> Float[Array, "*n 138"]:
    """The statistics that NRQM's forests see: arguments and errors as for `nrqm`.

    Returns:
      [N, 138]: the 18 statistics of cosine transforms, at three scales one after the other; the 45 of a pyramid's
      bands; the 25 singular values of patches at each of the three scales. Without a gradient.

    Example:
      >>> import jax
      >>> from jaxeval.ops import image_quality
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.nrqm_features(x, data_range=1.0), images).shape
      (4, 138)
    """
    check_images("nrqm_features", "x", x, least_side=LEAST_SIDE, colours=(1, 3))
    return each_image(_features, x, data_range=check_data_range("nrqm_features", {"x": x}, data_range))


@takes_arrays
def perceptual_index(
    x: Numbers,
    *,
    model: NrqmModel,
    niqe_model: NiqeModel,
    data_range: float | None = None,
    crop_border: int = 4,
) -> Scores:
    """The perceptual index (PI) of the PIRM challenge of 2018: ((10 - NRQM) + NIQE) / 2, of single images.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 193 x 193 pixels within the border. As in
        the challenge's code levels are of 8 bits, and RGB becomes the Y of MATLAB's rgb2ycbcr in whole levels, of which
        both measures are taken.
      model: of NRQM; docs/image_quality.md says how the published one is loaded.
      niqe_model: of NIQE, by the convention "matlab": the challenge has the authors' model.
      data_range: width of the values' range, such as 1.0 or 255.
      crop_border: pixels of every edge that are left out; the challenge's 4 by default.

    Returns:
      [N]: lower is better; about 2 to 3 for photographs by the published models. The challenge's number for a set of
      images is their mean. The gradient is half of NIQE's, as NRQM has none.

    Raises:
      InputError: shape, dtype, values, the data range or the border do not fit, a value is not finite, images are too
        small, or NIQE's model is by another convention.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> none, leaf = np.zeros((1, 1), int), np.zeros((1, 1))
      >>> forest = image_quality.NrqmForest(left=none, right=none, attribute=none, threshold=leaf, value=leaf + 5)
      >>> model = image_quality.NrqmModel(  # published ones: docs/image_quality.md
      ...     forests=(forest,) * 3, linear=np.array([0.0, 0.5, 0.25, 0.25])
      ... )
      >>> niqe_model = image_quality.NiqeModel(mean=np.zeros(36), covariance=np.eye(36), convention="matlab")
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(
      ...     lambda x: image_quality.perceptual_index(x, model=model, niqe_model=niqe_model, data_range=1.0), images
      ... ).shape
      (4,)
    """
    check_images("perceptual_index", "x", x, colours=(1, 3))
    check_crop("perceptual_index", x, crop_border, 2 * BLOCK + 1)
    check_choice("perceptual_index", "niqe_model.convention", niqe_model.convention, ("matlab",))
    peak = check_data_range("perceptual_index", {"x": x}, data_range)
    features, niqe = each_image(_both, x, data_range=peak, crop_border=crop_border, model=niqe_model)
    return 0.5 * (10.0 - _predicted(features, model.tables, model.linear.astype(np.float32)) + niqe)


@jax.jit
def _predicted(
    features: Float[Array, "*n f"], forests: tuple[_Nodes, ...], linear: Float[Array, " four"]
) -> Float[Array, "*n"]:
    """The model's score of images by their features; not-a-number where one of these is."""

    def run(
        features: Float[Array, "n f"], forests: tuple[_Nodes, ...], linear: Float[Array, " four"]
    ) -> Float[Array, " n"]:
        score = jnp.where(jnp.isfinite(features).all(-1), linear[0], jnp.nan)
        parts = jnp.split(features, np.cumsum(FEATURES)[:-1].tolist(), axis=-1)
        for i, (part, nodes) in enumerate(zip(parts, forests, strict=True)):
            score = score + linear[i + 1] * jax.vmap(functools.partial(_of_forest, nodes=nodes))(part)
        return score

    # Steps have no slopes, and a loop of unknown length no reverse derivative.
    operands: tuple[Any, ...] = (lax.stop_gradient(features), forests, linear)
    sharding = jax.typeof(features).sharding
    if AxisType.Explicit not in sharding.mesh.axis_types:
        return run(*operands)
    placed = NamedSharding(sharding.mesh, PartitionSpec(sharding.spec[0]))
    on_mesh: Any = jax.sharding.auto_axes(run, out_sharding=placed)
    return on_mesh(*operands)


def _of_forest(features: Float[Array, " f"], nodes: _Nodes) -> Float[Array, ""]:
    """The mean of what the trees predict, all of them gone down at once."""

    def below(at: Integer[Array, " t"]) -> Integer[Array, " t"]:
        return jnp.where(features[nodes.attribute[at]] <= nodes.level[at], nodes.left[at], nodes.right[at])

    ends = lax.while_loop(lambda at: (nodes.left[at] != at).any(), below, jnp.asarray(nodes.roots))
    return nodes.level[ends].mean()


def _features(x: Pixels, *, data_range: float) -> Float[Array, " f"]:
    levels = _whole_levels(x, data_range)
    return ma_statistics((levels if x.shape[-1] == 1 else rounded_luma(levels))[..., 0])


def _both(
    x: Pixels, *, data_range: float, crop_border: int, model: NiqeModel
) -> tuple[Float[Array, " f"], Float[Array, ""]]:
    luma = cropped(gray(_whole_levels(x, data_range), data_range=255.0, colour="y-rounded"), crop_border)
    return ma_statistics(luma[..., 0]), niqe_of_image(luma, data_range=255.0, model=model, flat="convention")


def _whole_levels(x: Pixels, data_range: float) -> Pixels:
    """Levels of 8 bits; the gradient is that of x."""
    levels = x * (255.0 / data_range)
    return levels + lax.stop_gradient(jnp.clip(jnp.round(levels), 0.0, 255.0) - levels)
