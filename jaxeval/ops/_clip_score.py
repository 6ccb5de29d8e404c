"""CLIPScore: how well each image agrees with its own caption.

Reference: Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", EMNLP 2021.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_rows, unit_rows


class ClipScore(NamedTuple):
    """Agreement of images with their captions.

    Attributes:
      value: the mean over the pairs, 0 to `weight`.
      error: standard error of that mean; NaN for a single pair.
      pairs: each pair's score, float64 of shape [N].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> images, texts = np.random.default_rng(0).normal(size=(2, 10, 16))
      >>> score = ops.clip_score(images=images, texts=texts)
      >>> score.pairs.shape, round(score.value, 3), round(score.error, 3)
      ((10,), 0.111, 0.07)
    """

    value: float
    error: float
    pairs: Float[np.ndarray, " n"]


@takes_arrays
def clip_score(*, images: Numbers, texts: Numbers, weight: float = 2.5) -> ClipScore:
    """CLIPScore of pairs: `weight * max(cosine, 0)` of an image's embedding with its own caption's, in float64.

    The paper's embeddings are those of CLIP ViT-B/32, with "A photo depicts " before each caption, and its weight is
    2.5, which spreads the values over 0 to 1. torchmetrics has another network by default, no words before the caption,
    weight 100, and takes the maximum with 0 after the mean rather than before it.

    Args:
      images: shape [N, D], of any length but 0.
      texts: shape [N, D]; row i belongs to image i.
      weight: what cosines are multiplied by.

    Raises:
      InputError: a shape, dtype or value is wrong, the two differ in shape, a row is all zeros, or a weight that is not
        positive.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> images = np.array([[1.0, 0.0], [1.0, 0.0]])
      >>> texts = np.array([[2.0, 0.0], [0.0, 2.0]])
      >>> ops.clip_score(images=images, texts=texts).pairs
      array([2.5, 0. ])
    """
    rows = {"images": feature_rows("images", images), "texts": feature_rows("texts", texts)}
    if rows["images"].shape != rows["texts"].shape:
        raise InputError(
            f"images has shape {rows['images'].shape} and texts {rows['texts'].shape}; one text for each image, both "
            "embedded by the same CLIP, is expected"
        )
    if not (np.isfinite(weight) and weight > 0):
        raise InputError(f"weight is {weight}; a positive number is expected")
    cosines = np.einsum("nd,nd->n", *(unit_rows(name, values) for name, values in rows.items()))
    pairs = weight * np.maximum(cosines, 0.0)
    error = pairs.std(ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
    return ClipScore(float(pairs.mean()), float(error), pairs)
