"""Feature similarity (FSIM, FSIMc): phase congruency and gradients compared where there is a feature.

Large images are first averaged in squares. Conventions:

| convention | round(least side / 256) | the first square begins               | what is left over at the end |
|------------|-------------------------|---------------------------------------|------------------------------|
| piq        | halves to even          | at the first pixel                    | dropped                      |
| authors    | halves up               | (size - 1) // 2 pixels of 0 before it | filled up with 0             |

YIQ has three digits in the authors' FeatureSIM.m, four in piq.

Reference: Zhang, Zhang, Mou, Zhang, "FSIM: a feature similarity index for image quality assessment", IEEE TIP 20(8),
2011.
"""

import math
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import power, similarity, weighted_similarity
from jaxeval.ops.image_quality.batches import Scores, check_choice, image_pair
from jaxeval.ops.image_quality.colour import (
    YIQ,
    Colour,
    Plane,
    Planes,
    check_colour,
    check_gray,
    each_in_colour,
    mixed,
    planes_of,
)
from jaxeval.ops.image_quality.gradients import scharr
from jaxeval.ops.image_quality.phase_congruency import phase_congruency
from jaxeval.ops.image_quality.windows import pad_image, pool

Pixels = Float[Array, "_ _ _"]

FsimConvention = Literal["piq", "authors"]
CONVENTIONS: tuple[FsimConvention, ...] = ("piq", "authors")

_PHASE, _GRADIENT, _CHROMA = 0.85, 160.0, 200.0  # constants of the similarities, for values from 0 to 255
_CHROMA_POWER = 0.03
_AUTHORS_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@takes_arrays
def fsim(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    chromatic: bool = True,
    convention: FsimConvention = "piq",
) -> Scores:
    """Feature similarity of each pair of images, as in piq or the authors' FeatureSIM.m.

    Images whose least side is much above 256 are first averaged in squares of round(side / 256) pixels.

    Args:
      x: RGB images, [N, H, W, 3], any real dtype; for `chromatic=False` also gray ones, [N, H, W, 1].
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      chromatic: FSIMc, which compares chroma (I and Q) too; otherwise FSIM, of the luma alone.
      convention: the implementation whose number it is; the module lists how they differ.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are gray for
        FSIMc.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 32, 32, 3))
      >>> image_quality.fsim(x, y, data_range=1.0).shape
      (4,)
    """
    check_choice("fsim", "convention", convention, CONVENTIONS)
    peak = image_pair("fsim", x, y, data_range, least_side=4, colours=(3,) if chromatic else (1, 3))
    check_colour("fsim", x, colour)
    check_gray("fsim", colour, chromatic)
    return each_in_colour(_fsim, x, y, data_range=peak, colour=colour, chromatic=chromatic, convention=convention)


def _fsim(x: Pixels, y: Pixels, *, data_range: float, chromatic: bool, convention: FsimConvention) -> Float[Array, ""]:
    of_x, of_y = (_prepared(planes_of(i) * (255.0 / data_range), chromatic, convention) for i in (x, y))
    phase_x, phase_y = lax.map(phase_congruency, jnp.stack([of_x[0], of_y[0]]))
    similar = similarity(phase_x, phase_y, _PHASE) * similarity(scharr(of_x[0]), scharr(of_y[0]), _GRADIENT)
    if chromatic:
        chroma = similarity(of_x[1], of_y[1], _CHROMA) * similarity(of_x[2], of_y[2], _CHROMA)
        similar = similar * power(jnp.abs(chroma), _CHROMA_POWER)
    return weighted_similarity(similar, jnp.maximum(phase_x, phase_y))


def _prepared(x: Planes, chromatic: bool, convention: FsimConvention) -> tuple[Plane, ...]:
    matrix = YIQ if convention == "piq" else _AUTHORS_YIQ
    planes = tuple(x) if len(x) == 1 else mixed(x, matrix if chromatic else matrix[:1])
    share = min(x.shape[1:]) / 256
    if convention == "piq":
        return tuple(pool(plane, max(1, round(share))) for plane in planes)
    size = max(1, math.floor(share + 0.5))
    before = (size - 1) // 2
    after = [max(-(-side // size) * size - side - before, 0) for side in x.shape[1:]]
    padded = (pad_image(plane, (before, before), (after[0], after[1]), "constant") for plane in planes)
    return tuple(pool(plane, size) for plane in padded)
