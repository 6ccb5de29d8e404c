"""What every feature extractor is: parameters beside a pure function, with the facts that identify its features."""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxeval._arguments import shown, text, whole_number
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.networks import NETWORKS
from jaxeval.extractors.normalisation import Normalisation
from jaxeval.extractors.precision import Precision, check_precision, contractions_at

# Any shape: `apply` checks it itself, and says more about it than a type can.
Images = Num[Array, "*shape"] | Num[np.ndarray, "*shape"]
Features = dict[str, Float[Array, "b _"]]
Forward = Callable[[Any, Float[Array, "b h w 3"], tuple[str, ...]], Features]


@dataclasses.dataclass(frozen=True, eq=False)
class Extractor:
    """A network (or any function) that turns images into feature vectors.

    Call `apply` inside your own jit, vmap, scan or shard_map, with `params` passed in as an argument; call the object
    itself for a jitted evaluation. Two extractors are equal when they are the same object.

    Attributes:
        name: the name under which results and caches know it.
        family: of networks that it is of, which decides what its numbers are called and how protocols prepare images:
            `inception`, `clip`, `dinov2` and so on, set for the networks of `load_extractor` alone; empty for others,
            whatever their name.
        image_size: (height, width) that images must have; None when any size will do.
        resize: name of the resize that its own reference applies to reach `image_size`.
        normalisation: what is done to 0..255 pixel values first, unless a call says otherwise.
        taps: each tap's name with its feature size (None: depends on the image size).
        default_tap: the tap that is returned when none is asked for.
        params: pytree of arrays.
        forward: `(params, normalised images, taps) -> {tap: features}`, pure.
        weights_hash: SHA-256 of the weights; None when there are none or they are unknown.
        weights_published: whether the weights are the published ones, by checksum.
        fingerprint: everything besides the images that determines the features; None when that is unknown, and then
            features must not be kept from one run to the next.
        description: one line for tables.
        prepare: what the network's own authors do to one uint8 image of any size, `[H, W, 3]`, to reach `image_size`;
            None where that is `resize`.
        jittable: False for a host function, which `__call__` then leaves untraced.
        least_side: side of the smallest images that the network can take in the place of `image_size`, where a call
            says `any_size`; None where it can take no others.
    """

    name: str
    image_size: tuple[int, int] | None
    resize: str
    normalisation: Normalisation
    taps: Mapping[str, int | None]
    default_tap: str
    params: Any = dataclasses.field(repr=False)
    forward: Forward = dataclasses.field(repr=False)
    weights_hash: str | None = None
    weights_published: bool = False
    fingerprint: str | None = None
    description: str = ""
    prepare: Callable[[np.ndarray], np.ndarray] | None = None
    jittable: bool = True
    least_side: int | None = None
    family: str = ""

    def __post_init__(self):
        object.__setattr__(self, "taps", MappingProxyType(dict(self.taps)))
        if self.default_tap not in self.taps:
            raise InputError(f"default_tap {self.default_tap!r} is not one of the taps {', '.join(self.taps)}")

    @property
    def value_range(self) -> tuple[float, float]:
        """The values of black and white in the images that `apply` takes, before `normalisation`."""
        return 0.0, 255.0

    @takes_arrays
    def apply(
        self,
        params: Any,
        images: Images,
        *,
        taps: Iterable[str] | None = None,
        normalisation: Normalisation | None = None,
        precision: Precision = "highest",
        any_size: bool = False,
    ) -> Features:
        """Features of a batch of images: pure, for use under any transform.

        Args:
            params: this extractor's `params`, perhaps replicated over a mesh or being differentiated.
            images: `[B, H, W, 3]` float32, 0..255, of `image_size`.
            taps: which features; the default tap if None. The network is computed no deeper than they need.
            normalisation: in place of the extractor's own.
            precision: of its contractions: `highest` (full float32), `high` or `default`, which differ on
                accelerators; for watching, and for numbers of code that names none.
            any_size: whether images may have another size than `image_size`, where the network can take them.

        Returns:
            `{tap: [B, d] float32}` in the order asked for.

        Raises:
            InputError: unknown tap or precision, or images of another size.
        """
        wanted = self._checked_taps(taps)
        check_precision("precision", precision)
        if images.ndim != 4 or images.shape[-1] != 3:
            raise InputError(f"extractor {self.name!r} needs images of shape [B, H, W, 3], not {list(images.shape)}")
        if any_size and self.least_side is not None:
            if min(images.shape[1:3]) < self.least_side:
                raise InputError(
                    f"extractor {self.name!r} needs images of {self.least_side} x {self.least_side} pixels or more, "
                    f"not {images.shape[1]} x {images.shape[2]}: resize them first"
                )
        elif self.image_size is not None and images.shape[1:3] != self.image_size:
            height, width = self.image_size
            raise InputError(
                f"extractor {self.name!r} needs {height} x {width} images, not {images.shape[1]} x {images.shape[2]}: "
                f"resize them first (its reference uses {self.resize!r})"
            )
        normalised = (normalisation or self.normalisation)(jnp.asarray(images, jnp.float32))
        with contractions_at(precision):
            features = self.forward(params, normalised, wanted)
        return {tap: features[tap] for tap in wanted}

    @takes_arrays
    def __call__(
        self,
        images: Images,
        *,
        taps: Iterable[str] | None = None,
        normalisation: Normalisation | None = None,
        params: Any = None,
        precision: Precision = "highest",
        any_size: bool = False,
    ) -> Features:
        """`apply`, jitted; images may be uint8.

        Args:
            images: as for `apply`; split over a mesh, if `params` are copied to all of it.
            taps: as for `apply`.
            normalisation: as for `apply`.
            params: in place of this extractor's own, for instance a copy on every device of a mesh.
            precision: as for `apply`.
            any_size: as for `apply`.
        """
        wanted = self._checked_taps(taps)
        # Straight into the program: an eager conversion would be a program of its own, and four times the transfer.
        images = images if isinstance(images, jax.Array) else np.asarray(images)
        evaluate = self._jitted if self.jittable else self.apply
        features = evaluate(
            self.params if params is None else params,
            images,
            taps=wanted,
            normalisation=normalisation,
            precision=precision,
            any_size=any_size,
        )
        return {tap: features[tap] for tap in wanted}  # jit sorts dictionaries

    @functools.cached_property
    def _jitted(self) -> Callable[..., Features]:
        # Parameters go in as an argument: captured ones would be constants, copied into each executable.
        return jax.jit(self.apply, static_argnames=("taps", "normalisation", "precision", "any_size"))

    def _checked_taps(self, taps: Iterable[str] | None) -> tuple[str, ...]:
        wanted = (self.default_tap,) if taps is None else (taps,) if isinstance(taps, str) else tuple(taps)
        unknown = [tap for tap in wanted if tap not in self.taps]
        if unknown or not wanted:
            asked = f"no tap {unknown[0]!r}" if unknown else "to be asked for at least one tap"
            raise InputError(f"extractor {self.name!r} has {asked}: its taps are {', '.join(self.taps)}")
        return tuple(dict.fromkeys(wanted))


def from_function(
    function: Callable[..., Any],
    *,
    name: str,
    image_size: tuple[int, int] | None = None,
    feature_size: int | None = None,
    params: Any = None,
    normalisation: Normalisation | None = None,
    resize: str = "antialiased-bilinear",
    weights_hash: str | None = None,
    fingerprint: str | None = None,
    description: str = "",
    jittable: bool = True,
) -> Extractor:
    """An extractor from your own function; its one tap is called `features`.

    Args:
        function: `images -> [B, d]`, or `(params, images) -> [B, d]` where `params` is given. Images arrive as
            `[B, H, W, 3]` float32 after `normalisation`.
        name: what results call it; a Fréchet distance over it is `FD-<name>`.
        image_size: (height, width) it needs; None if it takes any.
        feature_size: d, if you know it; found by an abstract evaluation where `image_size` is given.
        params: pytree of its parameters, if it has any.
        normalisation: what to do to 0..255 values first; nothing by default.
        resize: how images reach `image_size` when a protocol does not say.
        weights_hash: a digest of your weights, for the record.
        fingerprint: any text that changes whenever your function's output would; without it features are not cached.
        description: one line for tables.
        jittable: False for a function that computes on the host (NumPy, another framework).

    Raises:
        InputError: a name that cannot stand in a file name, features of the wrong shape, an argument of another type.

    Example:
        >>> import numpy as np
        >>> from jaxeval.extractors import from_function
        >>> means = from_function(lambda images: images.mean((1, 2)), name="mean-colour", feature_size=3)
        >>> means.apply(means.params, np.ones((2, 8, 8, 3), np.float32))["features"].shape
        (2, 3)
    """
    if not callable(function):
        raise InputError(f"function is {shown(function)}; give a function of images [B, H, W, 3] that returns [B, d]")
    text("name", name, "what results call the extractor, as text")
    if image_size is not None:
        if not isinstance(image_size, tuple | list) or len(image_size) != 2:
            raise InputError(f"image_size is {shown(image_size)}; give (height, width) in pixels, or None")
        image_size = whole_number("image_size", image_size[0], 1), whole_number("image_size", image_size[1], 1)
    if feature_size is not None:
        whole_number("feature_size", feature_size, 1)
    if name in CATALOGUE or name in NETWORKS or name == "pixels" or re.fullmatch(r"random-conv(-\d+)?", name):
        raise InputError(f"extractor name {name!r} is that of a network of jaxeval's; choose another one")
    if not name or not all(character.isalnum() or character in "-_." for character in name):
        raise InputError(f"extractor name {name!r}: use letters, digits, '-', '_' and '.' only")
    sizes: dict[str, int | None] = {"features": feature_size}

    def forward(params: Any, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Any]:
        features = function(images) if params is None else function(params, images)
        shape = tuple(np.shape(features))
        if len(shape) != 2 or shape[0] != images.shape[0] or shape[1] != (sizes["features"] or shape[1]):
            expected = [images.shape[0], sizes["features"] or "d"]
            raise InputError(f"extractor {name!r} returned features of shape {list(shape)}, not {expected}")
        return dict.fromkeys(taps, jnp.asarray(features, jnp.float32))

    if feature_size is None and image_size is not None and jittable:
        images = jax.ShapeDtypeStruct((1, *image_size, 3), jnp.float32)
        found = jax.eval_shape(functools.partial(forward, taps=("features",)), params, images)
        sizes["features"] = math.prod(found["features"].shape)
    return Extractor(
        name=name,
        image_size=image_size,
        resize=resize,
        normalisation=normalisation or Normalisation(0.0, 1.0),
        taps=sizes,
        default_tap="features",
        params=params,
        forward=forward,
        weights_hash=weights_hash,
        fingerprint=None if fingerprint is None else f"{name}:{fingerprint}",
        description=description or f"user function {name}",
        jittable=jittable,
    )
