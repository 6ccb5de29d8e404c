"""CLIP as an extractor that also embeds text, for CLIPScore and zero-shot scores."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors.clip_tokenizer import ClipTokenizer, read_vocabulary
from jaxeval.extractors.clip_towers import CLIP_B32, CLIP_L14, CLIP_L14_336, ClipPlan, ImageTower, TextTower
from jaxeval.extractors.extractor import Extractor
from jaxeval.extractors.normalisation import CLIP_NORMALISATION
from jaxeval.extractors.precision import Precision, check_precision, contractions_at, in_float32
from jaxeval.extractors.preprocessing import ShortSideCrop
from jaxeval.extractors.store import WeightsStore

CLIPS = {
    "clip-vit-b-32": (CLIP_B32, "ViT-B/32"),
    "clip-vit-l-14": (CLIP_L14, "ViT-L/14"),
    "clip-vit-l-14-336": (CLIP_L14_336, "ViT-L/14 at 336 pixels"),
}
_VOCABULARY = "clip-vocabulary"
_TEXTS_AT_A_TIME = 64


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Clip(Extractor):
    """The image network of CLIP as an extractor, and beside it the text network, read only when it is first needed.

    Attributes:
        logit_scale: what similarities are multiplied by before a softmax over captions.
        context: tokens that a text may have, the two around it included.
        open_text: reads the text network: its parameters, and `(params, tokens) -> embeddings`.
        open_tokenizer: reads the vocabulary.
    """

    logit_scale: float
    context: int
    open_text: Callable[[], tuple[Any, Callable[[Any, Array], Array]]] = dataclasses.field(repr=False)
    open_tokenizer: Callable[[], ClipTokenizer] = dataclasses.field(repr=False)

    def text_embeddings(
        self, texts: Sequence[Any], *, truncate: bool = False, precision: Precision = "highest"
    ) -> Float[Array, "n d"]:
        """Embeddings of texts, `[N, D]` float32, not normalised to length 1; they go with the tap `embedding`.

        Args:
            texts: one or more strings.
            truncate: whether to cut off what CLIP cannot read (75 tokens); otherwise that is an error.
            precision: of the network's contractions, as for `apply`.

        Raises:
            InputError: no text, something that is not text, or a text that is too long.
            WeightsMissingError: the vocabulary is not there; the message says which commands get it.
        """
        if isinstance(texts, str) or not len(texts):
            raise InputError("give a list of one or more texts")
        tokens = self.tokenizer(texts, context=self.context, truncate=truncate)
        parts = []
        for start in range(0, len(tokens), _TEXTS_AT_A_TIME):
            part = tokens[start : start + _TEXTS_AT_A_TIME]
            # A power of two: few programs to compile, and none of the texts is embedded twice for long.
            filled = np.resize(part, (1 << (len(part) - 1).bit_length(), self.context))
            parts.append(self._jitted_text(self.text_params, jnp.asarray(filled), precision=precision)[: len(part)])
        return jnp.concatenate(parts)

    def apply_text(
        self, params: Any, tokens: Int[Array, "b n"], *, precision: Precision = "highest"
    ) -> Float[Array, "b d"]:
        """Embeddings of tokens, pure, for use under jit: `params` are `text_params`, tokens are `tokenizer`'s."""
        with contractions_at(check_precision("precision", precision)):
            return self._text[1](params, tokens)

    @property
    def text_params(self) -> Any:
        """The parameters of the text network, for `apply_text`."""
        return self._text[0]

    @functools.cached_property
    def tokenizer(self) -> ClipTokenizer:
        """The tokenizer that turns text into the token numbers of `apply_text`."""
        return self.open_tokenizer()

    @functools.cached_property
    def _text(self) -> tuple[Any, Callable[[Any, Array], Array]]:
        return self.open_text()

    @functools.cached_property
    def _jitted_text(self) -> Callable[..., Array]:
        return jax.jit(self.apply_text, static_argnames=("precision",))


def load_clip(name: str, *, weights_dir: str | os.PathLike[str] | None = None) -> Clip:
    """A CLIP with its weights. Its text network and vocabulary are read when they are first used.

    Args:
        name: `clip-vit-b-32`, `clip-vit-l-14` or `clip-vit-l-14-336`.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: unknown name.
        WeightsMissingError: its weights are not there; the message says which commands get them.
        WeightsError: its weights are damaged.
    """
    if name not in CLIPS:
        raise InputError(f"unknown CLIP {name!r}: choose one of {', '.join(CLIPS)}")
    plan, title = CLIPS[name]
    store = WeightsStore(weights_dir)
    weights = store.open(name)
    graph, params = nnx.split(ImageTower(weights.tensors, plan))
    digest = weights.sha256

    def forward(params: Any, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        return nnx.merge(graph, in_float32(params))(images, taps)

    def open_text() -> tuple[Any, Callable[[Any, Array], Array]]:
        again = store.open(name)
        if again.sha256 != digest:
            raise WeightsError(f"the weights of {name!r} in {store.folder} are others now: load the extractor again")
        graph, params = nnx.split(TextTower(again.tensors, plan))
        return params, lambda params, tokens: nnx.merge(graph, in_float32(params))(tokens)

    return Clip(
        name=name,
        image_size=plan.image_size,
        resize="pil-bicubic-uint8",  # CMMD's, of square images
        normalisation=CLIP_NORMALISATION,
        taps=plan.taps,
        default_tap="embedding",
        params=params,
        forward=forward,
        weights_hash=digest,
        weights_published=weights.published,
        fingerprint=f"{name}:1:{digest}",
        family="clip",
        description=f"CLIP {title}, image network",
        prepare=ShortSideCrop(plan.image_side, plan.image_side, "bicubic"),
        logit_scale=math.exp(float(weights.tensors["logit_scale"])),
        context=plan.context,
        open_text=open_text,
        open_tokenizer=functools.partial(_tokenizer, store, plan),
    )


def _tokenizer(store: WeightsStore, plan: ClipPlan) -> ClipTokenizer:
    merges = store.open(_VOCABULARY).tensors["merges"].tobytes()
    tokenizer = ClipTokenizer(read_vocabulary(merges, _VOCABULARY))
    if tokenizer.size != plan.vocabulary:
        raise WeightsError(
            f"the vocabulary in {store.folder} has {tokenizer.size} tokens, and the network {plan.vocabulary}: import "
            f"CLIP's own with `jaxeval weights import {_VOCABULARY} FILE`"
        )
    return tokenizer
