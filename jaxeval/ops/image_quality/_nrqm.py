"""NRQM, the score of Ma et al. for super-resolution, and the perceptual index, its mean with NIQE.

Three regression forests see three kinds of statistics: of 7 x 7 cosine transforms about every third pixel, of a
steerable pyramid whose bands are divided by the size of their neighbourhoods, and singular values of 5 x 5 patches.
What they say is added up by four weights. Forests are steps: nothing here has a gradient.

References: Ma, Yang, Yang, Yang, "Learning a no-reference quality metric for single-image super-resolution", CVIU 158,
2017; Blau, Mechrez, Timofte, Michaeli, Zelnik-Manor, "The 2018 PIRM challenge on perceptual image super-resolution",
ECCV Workshops 2018.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Integer

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import filtered, map_mean, map_sum, order_statistic
from jaxeval.ops.image_quality._niqe import BLOCK, NiqeModel, niqe_of_image
from jaxeval.ops.image_quality.batches import Scores, check_choice, check_data_range, check_images, each_image
from jaxeval.ops.image_quality.colour import check_crop, cropped, gray, rounded_luma
from jaxeval.ops.image_quality.natural_scene import shape_of_ratio
from jaxeval.ops.image_quality.resampling import cubic, resampled
from jaxeval.ops.image_quality.windows import blurred_stack, gaussian_taps

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "_ _"]
Planes = Float[Array, "_ _ _"]

FEATURES = (18, 45, 75)  # of the three kinds
LEAST_SIDE = 84  # at a quarter of it there are 25 patches
_SCALES = 3
_WINDOW, _STEP, _BORDER = 7, 3, 2  # of cosine transforms
_PATCH = 5
_ORIENTATIONS = 6
_GUARD = (16, 8)  # pixels of a band's border that are left out, at both levels
_STABILITY = (0.03 * 255) ** 2
_EVERY, _ORIENTED = 1e-7, 1e-8  # what is added to means of transforms before they divide
_FLOOR = 1e-6  # variances below this share of the greatest are beyond the digits of a float32 product: two rounds
_EMPTY = 0.1  # what is left of a direction that both rounds enlarged, and that counts as none


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

    left: Integer[Array | np.ndarray, " _"]  # of a leaf itself, as `right`
    right: Integer[Array | np.ndarray, " _"]
    attribute: Integer[Array | np.ndarray, " _"]  # from 0
    level: Float[Array | np.ndarray, " _"]  # the threshold; of a leaf what it predicts
    roots: Integer[Array | np.ndarray, " _"]


def _nodes(forest: NrqmForest) -> _Nodes:
    count, trees = forest.left.shape
    roots = np.arange(trees, dtype=np.int32) * count
    own = roots[None] + np.arange(count, dtype=np.int32)[:, None]
    inner = forest.left > 0

    def in_a_row(array: np.ndarray, dtype: type) -> np.ndarray:
        return np.ascontiguousarray(array.T, dtype).reshape(-1)

    return _Nodes(
        *(in_a_row(np.where(inner, roots[None] + d - 1, own), np.int32) for d in (forest.left, forest.right)),
        in_a_row(np.where(inner, forest.attribute - 1, 0), np.int32),
        in_a_row(np.where(inner, forest.threshold, forest.value), np.float32),
        roots,
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
            score = score + linear[i + 1] * jax.vmap(_of_forest, (0, None))(part, nodes)
        return score

    sharding = jax.typeof(features).sharding
    if AxisType.Explicit not in sharding.mesh.axis_types:
        return run(features, forests, linear)
    placed = NamedSharding(sharding.mesh, PartitionSpec(sharding.spec[0]))
    return jax.sharding.auto_axes(run, out_sharding=placed)(features, forests, linear)


def _of_forest(features: Float[Array, " f"], nodes: _Nodes) -> Float[Array, ""]:
    """The mean of what the trees predict, all of them gone down at once."""

    def below(at: Integer[Array, " t"]) -> Integer[Array, " t"]:
        return jnp.where(features[nodes.attribute[at]] <= nodes.level[at], nodes.left[at], nodes.right[at])

    ends = lax.while_loop(lambda at: (nodes.left[at] != at).any(), below, jnp.asarray(nodes.roots))
    return nodes.level[ends].mean()


def _features(x: Pixels, *, data_range: float) -> Float[Array, " f"]:
    levels = _whole_levels(x, data_range)
    return _of_levels((levels if x.shape[-1] == 1 else rounded_luma(levels))[..., 0])


def _both(
    x: Pixels, *, data_range: float, crop_border: int, model: NiqeModel
) -> tuple[Float[Array, " f"], Float[Array, ""]]:
    luma = cropped(gray(_whole_levels(x, data_range), data_range=255.0, colour="y-rounded"), crop_border)
    return _of_levels(luma[..., 0]), niqe_of_image(luma, data_range=255.0, model=model, flat="convention")


def _whole_levels(x: Pixels, data_range: float) -> Pixels:
    """Levels of 8 bits; the gradient is that of x."""
    levels = x * (255.0 / data_range)
    return levels + lax.stop_gradient(jnp.clip(jnp.round(levels), 0.0, 255.0) - levels)


def _of_levels(plane: Plane) -> Float[Array, " f"]:
    plane = lax.stop_gradient(plane)
    whole = jnp.isfinite(plane).all()
    plane = jnp.where(whole, plane, 0.0)
    scales = [plane]
    for _ in range(_SCALES - 1):
        scales.append(_halved(scales[-1]))
    parts = [*(_of_transforms(s) for s in scales), _of_pyramid(plane), *(_of_patches(s) for s in scales)]
    return jnp.where(whole, jnp.concatenate(parts), jnp.nan)


def _halved(plane: Plane) -> Plane:
    """Every second pixel from the second on, after a 3 x 3 Gaussian of sigma 0.5 with black beyond the borders.

    A pixel is moved towards its neighbours by differences, which are exactly 0 where nothing changes: features of flat
    areas would be rounding errors otherwise.
    """
    side = math.exp(-2.0) / (1.0 + 2.0 * math.exp(-2.0))
    padded = jnp.pad(plane, 1)
    middle = padded[1:-1]
    tall = middle + side * ((padded[:-2] - middle) + (padded[2:] - middle))
    middle = tall[:, 1:-1]
    return (middle + side * ((tall[:, :-2] - middle) + (tall[:, 2:] - middle)))[1::2, 1::2]


def _of_transforms(plane: Plane) -> Float[Array, " six"]:
    """Of cosine transforms of windows of 7 x 7 pixels about squares of 3 x 3, black beyond the borders.

    The means of all windows, and of a tenth of them, of three numbers each: the shape of the coefficients'
    distribution, their variation, and how much that varies between three bundles of directions.
    """
    coefficients = _coefficients(plane)
    count, size = coefficients.shape
    rest = coefficients - coefficients.mean(-1, keepdims=True)
    shape = _shape((rest * rest).sum(-1) / (size - 1.0), jnp.abs(rest).mean(-1))
    members, least = _transform().members, np.array([_EVERY] + [_ORIENTED] * 3, np.float32)
    sizes = members.sum(1, keepdims=True)
    absolute = jnp.abs(coefficients)
    means = contract("nk,gk->ng", absolute, jnp.asarray(members / sizes))
    rest = absolute[:, None] - means[..., None]
    variances = contract("ngk,gk->ng", rest * rest, jnp.asarray(members / (sizes - 1.0)))
    variation = jnp.sqrt(variances) / (means + jnp.asarray(least)[None])
    apart = variation[:, 1:] - variation[:, 1:].mean(-1, keepdims=True)
    directions = (apart * apart).sum(-1) / 2.0
    lowest, highest = math.ceil(count * 0.1), count - int(count * 0.9) + 1
    return jnp.stack(
        [
            _mean_of_tail(shape, lowest, largest=False),
            map_mean(shape),
            _mean_of_tail(variation[:, 0], highest, largest=True),
            map_mean(variation[:, 0]),
            _mean_of_tail(directions, highest, largest=True),
            map_mean(directions),
        ]
    )


class _Transform(NamedTuple):
    rows: Float[np.ndarray, "k i j"]  # coefficients that vary down the window alone
    columns: Float[np.ndarray, "k i j"]
    both: Float[np.ndarray, "k i j"]
    members: Float[np.ndarray, "g k"]  # 1 where a coefficient belongs to: all of them, or one of three directions


@functools.cache
def _transform() -> _Transform:
    """The orthonormal cosine transform of levels over 255, but for its constant."""
    one = scipy.fft.dct(np.eye(_WINDOW), norm="ortho", axis=0)
    basis = np.einsum("ki,lj->klij", one, one) / 255.0
    at = [(k, 0) for k in range(1, _WINDOW)] + [(0, k) for k in range(1, _WINDOW)]
    at += [(k, m) for k in range(1, _WINDOW) for m in range(1, _WINDOW)]
    # Coefficients of a row, or a column, from one on: across edges that stand, or lie; the others are between.
    first = (1, 2, 4, 5)
    across = [[k < len(first) and m >= first[k] for k, m in pairs] for pairs in (at, [(m, k) for k, m in at])]
    members = np.array([[True] * len(at), across[0], ~np.any(across, axis=0), across[1]], np.float32)
    return _Transform(
        basis[1:, 0].astype(np.float32),
        basis[0, 1:].astype(np.float32),
        basis[1:, 1:].reshape(-1, _WINDOW, _WINDOW).astype(np.float32),
        members,
    )


def _coefficients(plane: Plane) -> Float[Array, "n k"]:
    """Cosine transforms of levels over 255, but for their constants.

    Of differences with the windows' middle row and column, which of whole levels are exactly 0 where nothing changes in
    that direction: coefficients that are to be 0 would be rounding errors otherwise, divided by one another.
    """
    border = [(_BORDER, _BORDER + -size % _STEP) for size in plane.shape]
    padded = jnp.pad(plane, border)
    at = [_STEP * np.arange(-(-size // _STEP))[:, None] + np.arange(_WINDOW)[None] for size in plane.shape]
    windows = padded[at[0]][:, :, at[1]]
    middle = _WINDOW // 2
    down = windows - windows[:, middle : middle + 1]
    across = windows - windows[..., middle : middle + 1]
    both = down - down[..., middle : middle + 1]
    parts = zip((down, across, both), _transform()[:3], strict=True)
    found = [contract("aibj,kij->abk", part, jnp.asarray(basis)) for part, basis in parts]
    return jnp.concatenate(found, axis=-1).reshape(-1, _WINDOW**2 - 1)


def _mean_of_tail(x: Float[Array, " n"], count: int, *, largest: bool) -> Float[Array, ""]:
    """The mean of the `count` least or largest of values that are not negative."""
    last = order_statistic(x, len(x) - count if largest else count - 1)
    beyond = x > last if largest else x < last
    missing = count - map_sum(beyond.astype(x.dtype))
    return (map_sum(jnp.where(beyond, x, 0.0)) + missing * last) / count


def _shape(variance: Float[Array, "*n"], deviation: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Shapes of generalised Gaussians of these variances and mean absolute deviations."""
    return shape_of_ratio(variance / (deviation * deviation + _EVERY))


def _of_pyramid(plane: Plane) -> Float[Array, " of_bands"]:
    """Of bands: their shapes, those of both levels together, and how alike they are to the high pass and each other."""
    high, fine, coarse = _bands(plane)
    sides = list(zip(coarse.shape[1:], plane.shape, strict=True))
    doubled = _enlarged(coarse, [cubic(own, 2 * own, 2.0)[:to] for own, to in sides])
    # In the authors' code the last orientation's bands have no parent: zeros as neighbours change nothing.
    has_parent = np.arange(_ORIENTATIONS) < _ORIENTATIONS - 1
    parents = jnp.where(has_parent[:, None, None], doubled, 0.0)
    fine_divided = _divided(fine, parents, 9.0 + has_parent, _GUARD[0])
    coarse_divided = _divided(coarse, None, np.full(_ORIENTATIONS, 9.0), _GUARD[1])
    moments = [_Moments.of(bands) for bands in (fine_divided, coarse_divided)]
    enlarged = _enlarged(coarse, [cubic(own, to, to / own) for own, to in sides])
    planes = jnp.concatenate([fine, enlarged, high[None]])
    across = [(band, len(planes) - 1) for band in range(len(planes) - 1)]
    each_other = [(i, j) for i in range(_ORIENTATIONS) for j in range(i + 1, _ORIENTATIONS)]
    shapes = [own.shapes() for own in (*moments, moments[0].beside(moments[1]))]
    return jnp.concatenate([*shapes, _structures(planes, across), _structures(fine_divided, each_other)])


def _enlarged(bands: Planes, weights: list[Float[np.ndarray, "_ _"]]) -> Planes:
    return jax.vmap(lambda band: resampled(band, *weights))(bands)


class _Filters(NamedTuple):
    """Of a pyramid, on the spectrum as the transform has it, with the frequencies that its second level keeps."""

    high: Float[np.ndarray, "h w"]
    fine: Float[np.ndarray, "h w"]
    coarse: Float[np.ndarray, "h2 w2"]
    angular: Float[np.ndarray, "o h w"]
    down: Integer[np.ndarray, " h2"]
    right: Integer[np.ndarray, " w2"]


def _bands(plane: Plane) -> tuple[Plane, Planes, Planes]:
    """The high pass of the authors' steerable pyramid, and the bands of its two levels."""
    filters = _filters(*plane.shape)
    spectrum = jnp.fft.fft2(plane - map_mean(plane))  # whose mean passes none of the filters
    high = jnp.fft.ifft2(filtered(spectrum, filters.high)).real
    angular = jnp.asarray(filters.angular)

    def oriented(spectrum: Array, angular: Array) -> Planes:
        return lax.map(lambda own: jnp.fft.ifft2(filtered(spectrum, own)).imag, angular)

    low = filtered(spectrum[filters.down][:, filters.right], filters.coarse)
    fine = oriented(filtered(spectrum, filters.fine), angular)
    return high, fine, oriented(low, angular[:, filters.down][:, :, filters.right])


@functools.lru_cache(16)
def _filters(height: int, width: int) -> _Filters:
    """By the tables of matlabPyrTools, whose values between two entries are on a straight line."""
    down, right = ((np.arange(size) - size // 2) / (size / 2) for size in (height, width))
    angle = np.arctan2(down[:, None], right[None])
    radius = np.hypot(down[:, None], right[None])
    radius[height // 2, width // 2] = radius[height // 2, width // 2 - 1]
    radius = np.log2(radius)
    at = np.pi * np.arange(-257, 2) / 512
    passed = np.cos(at) ** 2
    passed[0], passed[-1] = passed[1], passed[-2]
    at, passed = -0.5 + 2 / np.pi * (at + np.pi / 4), np.sqrt(passed)
    stopped = np.sqrt(1.0 - passed**2)
    before = np.interp(radius, at, stopped)
    order = _ORIENTATIONS - 1
    size = 2 ** (2 * order) * math.factorial(order) ** 2 / (_ORIENTATIONS * math.factorial(2 * order))
    turns = np.pi * np.arange(-2049, 1026) / 1024
    lobes = math.sqrt(size) * np.cos(turns) ** order
    angular = [np.interp(angle - np.pi * o / _ORIENTATIONS, turns, lobes) for o in range(_ORIENTATIONS)]
    kept = [np.fft.ifftshift(_inner(size)) for size in (height, width)]
    coarse = before * np.interp(radius, at - 1.0, stopped) * np.interp(radius, at - 2.0, passed)
    high, fine, coarse, *angular = (
        np.fft.ifftshift(f).astype(np.float32)
        for f in (np.interp(radius, at, passed), before * np.interp(radius, at - 1.0, passed), coarse, *angular)
    )
    return _Filters(high, fine, coarse[kept[0]][:, kept[1]], np.stack(angular), *kept)


def _inner(size: int) -> Integer[np.ndarray, " half"]:
    """Where the inner half of shifted frequencies lies in the spectrum as the transform has it."""
    length = (size + 1) // 2
    first = size // 2 - length // 2
    return np.fft.fftshift(np.arange(size))[first : first + length]


def _divided(bands: Planes, parents: Planes | None, counts: Float[np.ndarray, " o"], guard: int) -> Planes:
    """Bands divided by the size of what is about each pixel, within a border, less their means.

    The size is that of 3 x 3 neighbours, of the other orientations and of the parent at a pixel, as if they were
    uncorrelated and of variance 1.

    Args:
      bands: of one level.
      parents: the same orientations at the next level, as large as `bands`; None for the last.
      counts: what the authors divide sums of squares by.
      guard: pixels of the border that are left out.
    """
    _, height, width = bands.shape
    inner = bands[:, 1:-1, 1:-1]

    def of_band(own: tuple[Array, Array, Plane | None]) -> Plane:
        number, count, parent = own
        band = bands[number]
        near = [band[i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)]
        others = inner[(number + jnp.arange(1, _ORIENTATIONS)) % _ORIENTATIONS]
        about = [jnp.stack(near), others] + ([] if parent is None else [parent[None, 1:-1, 1:-1]])
        size = jnp.sqrt(_uncorrelated_squares(jnp.concatenate(about)) / count)
        some = size > 0
        values = jnp.where(some, (inner[number] - map_mean(inner[number])) / jnp.where(some, size, 1.0), 0.0)
        values = values[guard:-guard, guard:-guard]
        return values - map_mean(values)

    return lax.map(of_band, (jnp.arange(_ORIENTATIONS), jnp.asarray(counts.astype(np.float32)), parents))


def _uncorrelated_squares(values: Float[Array, "k h w"]) -> Plane:
    """Of each pixel the sum y^T C^-1 y of its k values y, C being the mean of y y^T; directions that are empty add 0.

    C's small eigenvalues count as much as the large ones, and a product in float32 does not have their digits. So
    values are turned and scaled by what is known of C, twice with a floor, after which C is all but the identity.
    """
    flat = values.reshape(values.shape[0], -1)

    def turned(flat: Array, last: Array) -> tuple[Array, None]:
        variances, basis = jnp.linalg.eigh(contract("an,bn->ab", flat, flat) / flat.shape[1])
        floor = variances[-1] * jnp.where(last, _EMPTY, _FLOOR)
        kept, any_left = variances > floor, floor > 0
        below = jnp.where(last | ~any_left, 0.0, lax.rsqrt(jnp.where(any_left, floor, 1.0)))
        scale = jnp.where(kept, lax.rsqrt(jnp.where(kept, variances, 1.0)), below)
        return contract("ab,an->bn", basis * scale[None], flat), None

    flat, _ = lax.scan(turned, flat, np.array([False, False, True]))
    return (flat * flat).sum(0).reshape(values.shape[1:])


class _Moments(NamedTuple):
    """Sums of planes of mean 0: of absolute values, of squares, and how many there are."""

    absolute: Float[Array, " m"]
    squares: Float[Array, " m"]
    count: int

    @classmethod
    def of(cls, planes: Planes) -> "_Moments":
        absolute, squares = (jax.vmap(map_sum)(part) for part in (jnp.abs(planes), planes * planes))
        return cls(absolute, squares, planes.shape[1] * planes.shape[2])

    def beside(self, other: "_Moments") -> "_Moments":
        return _Moments(self.absolute + other.absolute, self.squares + other.squares, self.count + other.count)

    def shapes(self) -> Float[Array, " m"]:
        return _shape(self.squares / (self.count - 1.0), self.absolute / self.count)


def _structures(planes: Planes, pairs: list[tuple[int, int]]) -> Float[Array, " p"]:
    """Means of SSIM's contrast and structure of pairs of planes, by their numbers."""
    taps = gaussian_taps(11, 1.5)
    means, squares = jnp.moveaxis(lax.map(lambda p: blurred_stack(jnp.stack([p, p * p]), taps), planes), 1, 0)
    variances = squares - means * means

    def of_pair(pair: Integer[Array, " two"]) -> Float[Array, ""]:
        first, second = pair
        mixed = blurred_stack((planes[first] * planes[second])[None], taps)[0] - means[first] * means[second]
        return map_mean((2.0 * mixed + _STABILITY) / (variances[first] + variances[second] + _STABILITY))

    return lax.map(of_pair, np.array(pairs, np.int32))


def _of_patches(plane: Plane) -> Float[Array, " singular"]:
    """The singular values of patches of 5 x 5 levels over 255, side by side, from the greatest on.

    It is black beyond the borders.
    """
    padded = jnp.pad(plane, [(0, -size % _PATCH) for size in plane.shape])
    down, across = (size // _PATCH for size in padded.shape)
    patches = padded.reshape(down, _PATCH, across, _PATCH).transpose(0, 2, 1, 3).reshape(-1, _PATCH**2)
    return jnp.linalg.svd(jnp.linalg.qr(patches, mode="r"), compute_uv=False) * (1.0 / 255.0)
