"""Structure losses of images: 1 less a similarity of their structure."""

from typing import Literal

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality import MS_SSIM_WEIGHTS, gms, ms_ssim, ssim
from jaxeval.ops.image_quality.batches import Scores, check_choice

StructureSimilarity = Literal["ssim", "ms-ssim", "gradient"]
_SIMILARITIES: tuple[StructureSimilarity, ...] = ("ssim", "ms-ssim", "gradient")


@takes_arrays
def structure_loss(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    similarity: StructureSimilarity = "ssim",
    weights: tuple[float, ...] = MS_SSIM_WEIGHTS,
) -> Scores:
    """1 less the structural similarity of each pair of images.

    Args:
      x: images, [N, H, W, C], any real dtype; 1 or 3 channels for "gradient".
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      similarity: "ssim"; "ms-ssim"; or "gradient", the mean similarity of gradient magnitudes (`gms`), which sees edges
        alone.
      weights: exponents of MS-SSIM's scales; fewer of them take smaller images.

    Returns:
      [N], exactly 0 for identical images, where the gradient is 0 too; the same for (y, x).

    Raises:
      InputError: an unknown similarity, or as for `ssim`, `ms_ssim` or `gms`.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(losses.structure_loss(y, y, data_range=1.0))
      [0. 0. 0. 0.]
    """
    check_choice("structure_loss", "similarity", similarity, _SIMILARITIES)
    if similarity == "ssim":
        return 1.0 - ssim(x, y, data_range=data_range)
    if similarity == "ms-ssim":
        return 1.0 - ms_ssim(x, y, data_range=data_range, weights=weights)
    return 1.0 - gms(x, y, data_range=data_range)
