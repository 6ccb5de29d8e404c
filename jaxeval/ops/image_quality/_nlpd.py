"""Normalised Laplacian pyramid distance (NLPD).

| convention | divisor of the finest band                                                                    |
|------------|-----------------------------------------------------------------------------------------------|
| authors    | four neighbours, and the one two columns away on one side, as in NLP_dist.m and its paper     |
| pyiqa      | the four neighbours only: that package, and other ports, have filters of three columns        |

Reference: Laparra, Ballé, Berardino, Simoncelli, "Perceptual image quality assessment using a normalized Laplacian
pyramid", Electronic Imaging 2016.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import map_mean, root
from jaxeval.ops.image_quality.batches import Scores, check_choice, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq
from jaxeval.ops.image_quality.windows import columns, rows

Pixels = Float[Array, "h w c"]
Plane = Float[Array, "h w"]
Reduced = Float[Array, "h2 w2"]
Band = Float[Array, "_ _"]
Pair = Float[Array, "2 _ _"]

NlpdConvention = Literal["authors", "pyiqa"]
CONVENTIONS: tuple[NlpdConvention, ...] = ("authors", "pyiqa")

_TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)
# Of each band, and of what is left below them: the constant and the weights of the neighbours above, left, right, below
# and two to the right (as MATLAB's conv2 has them: turned around) in the divisor.
_BANDS = (
    (0.0248, 0.1011, 0.1493, 0.1460, 0.1015, 0.0072),
    (0.0185, 0.0757, 0.1986, 0.1846, 0.0837, 0.0),
    (0.0179, 0.0477, 0.2138, 0.2243, 0.0467, 0.0),
    (0.0191, 0.0, 0.2503, 0.2616, 0.0, 0.0),
    (0.0220, 0.0, 0.2598, 0.2552, 0.0, 0.0),
    (0.2782, 0.0, 0.2215, 0.0717, 0.0, 0.0),
)


@takes_arrays
def nlpd(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    convention: NlpdConvention = "authors",
) -> Scores:
    """Normalised Laplacian pyramid distance of the luma, as in the authors' NLP_dist.m.

    Five bands and a residual, each divided by a weighted mean of its neighbours' magnitudes; the mean over them of the
    root mean squared difference.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 32 x 32 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      convention: "authors", or "pyiqa", which leaves out a small weight of the finest band (distances 0.1 to 0.3%
        larger).

    Returns:
      [N], from 0, for identical images, upwards: lower is better. The same for (y, x) but for rounding.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, images are too small, or
        the convention is unknown.

    Reference: Laparra et al. 2016 and NLP_dist.m; the module compares the conventions.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.nlpd(y, y, data_range=1.0))
      [0. 0. 0. 0.]
    """
    check_choice("nlpd", "convention", convention, CONVENTIONS)
    peak = image_pair("nlpd", x, y, data_range, least_side=32, colours=(1, 3))
    check_colour("nlpd", x, colour)
    return each_in_colour(_nlpd, x, y, data_range=peak, colour=colour, convention=convention)


def _nlpd(x: Pixels, y: Pixels, *, data_range: float, convention: NlpdConvention) -> Float[Array, ""]:
    pyramid = functools.partial(_pyramid, far=convention == "authors")
    pyramids = jax.vmap(pyramid)(jnp.stack([luma_yiq(i * (1.0 / data_range)) for i in (x, y)]))
    return sum((root(map_mean(_difference(*level) ** 2)) for level in pyramids), start=jnp.float32(0.0)) / len(_BANDS)


def _pyramid(low: Band, *, far: bool) -> tuple[tuple[Band, Band], ...]:
    """The bands, and what is left, each with its divisor, of which the neighbour that is two away is part if `far`."""
    bands = []
    for weights in _BANDS[:-1]:
        low, band = _step(low)
        bands.append((band, _divisor(band, weights, far)))
    return *bands, (low, _divisor(low, _BANDS[-1], far))


def _difference(bands: Pair, divisors: Pair) -> Band:
    """Band / divisor of one less that of the other.

    From differences, which are 0 for equal images: a quotient less a quotient may be rounded once on one side and twice
    on the other.
    """
    (x, y), (of_x, of_y) = bands, divisors
    return ((x - y) + y * ((of_y - of_x) / of_y)) / of_x


def _step(x: Plane) -> tuple[Reduced, Plane]:
    """The plane reduced by half, and what is lost by that."""
    low = rows(columns(jnp.pad(x, 2, mode="symmetric"), _TAPS)[:, ::2], _TAPS)[::2]
    return low, x - _expanded(_expanded(low, x.shape[0]).T, x.shape[1]).T


def _expanded(x: Band, size: int) -> Band:
    """The first axis expanded to `size`: copied ends, zeros between pixels, the filter times two."""
    even = rows(jnp.pad(x, ((1, 1), (0, 0)), mode="edge"), tuple(2.0 * t for t in _TAPS[::2]))
    odd = rows(jnp.pad(x, ((0, 1), (0, 0)), mode="edge"), tuple(2.0 * t for t in _TAPS[1::2]))
    return jnp.stack([even, odd], axis=1).reshape(-1, x.shape[1])[:size]


def _divisor(band: Plane, weights: tuple[float, ...], far: bool) -> Plane:
    constant, above, left, right, below, two_right = weights
    reach = 2 if far and two_right else 1
    size = jnp.pad(jnp.abs(band), ((1, 1), (reach, 1)))
    # conv2 turns its kernel around: the weight written above meets the neighbour below.
    inner = slice(reach, -1)
    neighbours = above * size[2:, inner] + below * size[:-2, inner]
    neighbours += left * size[1:-1, reach + 1 :] + right * size[1:-1, reach - 1 : -2]
    return constant + neighbours + (two_right * size[1:-1, :-3] if reach == 2 else 0.0)
