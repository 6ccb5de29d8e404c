"""Gradient magnitude similarity: its deviation (GMSD, MS-GMSD, MS-GMSDc) and its mean (GMSM)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import map_mean, root, similarity
from jaxeval.ops.image_quality.batches import Scores, check_positive, image_pair
from jaxeval.ops.image_quality.colour import YIQ, Colour, check_colour, check_gray, each_in_colour, transform
from jaxeval.ops.image_quality.gradients import prewitt
from jaxeval.ops.image_quality.windows import pad_image, pool

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]

STABILITY = 170.0  # of the similarity of gradients, of values from 0 to 255
MS_GMSD_WEIGHTS = (0.096, 0.596, 0.289, 0.019)


@takes_arrays
def gmsd(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    stability: float = STABILITY,
) -> Scores:
    """Gradient magnitude similarity deviation: the standard deviation over pixels of gradients' similarity.

    Prewitt gradients of the luma (YIQ) halved once, as in piq.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      stability: constant of the similarity of gradients, of values from 0 to 255.

    Returns:
      [N], from 0, for identical images, upwards: lower is better. The same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, or a value is not finite.

    Reference: Xue, Zhang, Mou, Bovik, "Gradient magnitude similarity deviation", IEEE TIP 23(2), 2014.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.gmsd(y, y, data_range=1.0))
      [0. 0. 0. 0.]
    """
    peak = image_pair("gmsd", x, y, data_range, least_side=2, colours=(1, 3))
    check_colour("gmsd", x, colour)
    check_positive("gmsd", stability=stability)
    return each_in_colour(_gmsd, x, y, data_range=peak, colour=colour, stability=float(stability))


@takes_arrays
def gms(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    stability: float = STABILITY,
) -> Scores:
    """Mean similarity of gradient magnitudes (GMSM): the mean of the map whose standard deviation is `gmsd`.

    1 less it is a structure loss that looks at edges alone; arguments and errors as for `gmsd`.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, and the same for (y, x). Levels do not matter but at the border,
      beyond which gradients see black.

    Reference: Xue, Zhang, Mou, Bovik, "Gradient magnitude similarity deviation", IEEE TIP 23(2), 2014.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.gms(y, y, data_range=1.0))
      [1. 1. 1. 1.]
    """
    peak = image_pair("gms", x, y, data_range, least_side=2, colours=(1, 3))
    check_colour("gms", x, colour)
    check_positive("gms", stability=stability)
    return each_in_colour(_gms, x, y, data_range=peak, colour=colour, stability=float(stability))


@takes_arrays
def ms_gmsd(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    chromatic: bool = False,
    stability: float = STABILITY,
    scale_weights: tuple[float, ...] = MS_GMSD_WEIGHTS,
    masking: float = 0.5,
) -> Scores:
    """Multi-scale GMSD: the weighted root mean square of four scales' deviations, with a masking term, as in piq.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 17 x 17 pixels, with other numbers of
        scales 2^scales + 1.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      chromatic: MS-GMSDc, which adds the error of the chroma (I and Q at the coarsest scale); RGB only.
      stability: constant of the similarity of gradients, of values from 0 to 255.
      scale_weights: of squared deviations, from the finest scale to the coarsest; fewer of them take smaller images.
      masking: the share of the product of gradients that is left out of their similarity, from 0 to below 2.

    Returns:
      [N], from 0, for identical images, upwards: lower is better. The same for (y, x).

    Raises:
      InputError: as for `gmsd`, or images are too small, or gray for MS-GMSDc, or a setting is out of its range.

    Reference: Zhang, Sun, Wu, Liu, "Gradient magnitude similarity deviation on multiple scales", ICASSP 2017.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 32, 32, 3))
      >>> image_quality.ms_gmsd(x, y, data_range=1.0).shape
      (4,)
    """
    weights = tuple(float(weight) for weight in scale_weights)
    if not weights or min(weights) <= 0:
        raise InputError(f"ms_gmsd: scale_weights={weights} must be positive numbers, one a scale")
    check_positive("ms_gmsd", stability=stability)
    if not 0 <= masking < 2:
        raise InputError(f"ms_gmsd: masking={masking!r} is not a number from 0 to below 2")
    least = 2 ** len(weights) + 1
    peak = image_pair("ms_gmsd", x, y, data_range, least_side=least, colours=(3,) if chromatic else (1, 3))
    check_colour("ms_gmsd", x, colour)
    check_gray("ms_gmsd", colour, chromatic)
    return each_in_colour(
        _ms_gmsd,
        x,
        y,
        data_range=peak,
        colour=colour,
        chromatic=chromatic,
        stability=float(stability),
        weights=weights,
        masking=float(masking),
    )


def _gms(x: Pixels, y: Pixels, *, data_range: float, stability: float) -> Float[Array, ""]:
    x, y = (_halved(_yiq(i * (255.0 / data_range), 1)) for i in (x, y))
    return 1.0 - map_mean(1.0 - similarity(prewitt(x[..., 0]), prewitt(y[..., 0]), stability))


def _gmsd(x: Pixels, y: Pixels, *, data_range: float, stability: float) -> Float[Array, ""]:
    x, y = (_halved(_yiq(i * (255.0 / data_range), 1)) for i in (x, y))
    return _deviation(x[..., 0], y[..., 0], stability, 0.0)


def _ms_gmsd(
    x: Pixels,
    y: Pixels,
    *,
    data_range: float,
    chromatic: bool,
    stability: float,
    weights: tuple[float, ...],
    masking: float,
) -> Float[Array, ""]:
    x, y = (_yiq(i * (255.0 / data_range), 3 if chromatic else 1) for i in (x, y))
    squares = jnp.float32(0.0)
    for scale, weight in enumerate(weights):
        if scale > 0:
            x, y = _halved(x), _halved(y)
        squares = squares + weight * _deviation(x[..., 0], y[..., 0], stability, masking) ** 2
    score = root(squares)
    if not chromatic:
        return score
    error = root(map_mean((x[..., 1] - y[..., 1]) ** 2) + map_mean((x[..., 2] - y[..., 2]) ** 2))
    gamma = 2.0 / (1.0 + 0.32 * jnp.exp(-15.0 * score)) - 1.0
    return gamma * score + (1.0 - gamma) * 0.01 * error


def _yiq(x: Pixels, channels: int) -> Pixels:
    return x if x.shape[-1] == 1 else transform(x, YIQ[:channels])


def _halved(x: Pixels) -> Pixels:
    """Means of 2 x 2 squares; if a side is odd, both get a row of zeros at their end, as in piq."""
    odd = max(x.shape[0] % 2, x.shape[1] % 2)
    return pool(pad_image(x, (0, 0), (odd, odd), "constant"), 2)


def _deviation(x: Plane, y: Plane, stability: float, masking: float) -> Float[Array, ""]:
    # Of the distance from 1, whose mean is exactly 0 for equal images; that of ones need not be exactly 1.
    loss = 1.0 - similarity(prewitt(x), prewitt(y), stability, masking)
    return root(map_mean((loss - map_mean(loss)) ** 2))
