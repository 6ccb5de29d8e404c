"""Convolutional trunks: networks read at their inner layers, for perceptual, content and style losses."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.extractors.normalisation import Normalisation

Images = Num[Array, "*shape"] | Num[np.ndarray, "*shape"]
Maps = dict[str, Float[Array, "b _ _ _"]]


@dataclasses.dataclass(frozen=True, eq=False)
class Trunk:
    """The convolutions of a network, and the feature maps that can be read from them.

    An `Extractor` turns an image into one vector; a trunk turns it into maps that keep their height and width, and
    takes images of any size. Call `apply` inside your own jit, grad, vmap or shard_map, with `params` passed in; call
    the object itself for a jitted evaluation. Two trunks are equal when they are the same object.

    Attributes:
        name: the network's.
        maps: each map's name with its channels and its stride (image pixels to a map's pixel).
        least_sides: least height and width of images for each map.
        normalisation: what is done to 0..255 pixel values first, unless a call says otherwise.
        params: pytree of arrays.
        forward: `(params, normalised images, maps) -> {map: values}`, pure.
        weights_hash: SHA-256 of the weights.
        weights_published: whether the weights are the published ones, by checksum.
        description: one line for tables.
    """

    name: str
    maps: Mapping[str, tuple[int, int]]
    least_sides: Mapping[str, int]
    normalisation: Normalisation
    params: Any = dataclasses.field(repr=False)
    forward: Callable[[Any, Float[Array, "b h w 3"], tuple[str, ...]], Maps] = dataclasses.field(repr=False)
    weights_hash: str
    weights_published: bool
    description: str = ""

    def __post_init__(self):
        for name in ("maps", "least_sides"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @takes_arrays
    def apply(
        self, params: Any, images: Images, *, maps: Iterable[str], normalisation: Normalisation | None = None
    ) -> Maps:
        """Feature maps of a batch of images: pure and differentiable.

        Args:
            params: this trunk's `params`.
            images: `[B, H, W, 3]`, 0..255 unless `normalisation` says otherwise.
            maps: which maps. The network is computed no deeper than they need.
            normalisation: in place of the trunk's own; LPIPS has another one.

        Returns:
            `{map: [B, H', W', C] float32}` in the order asked for. H' is H / stride without the rest for VGG, and some
            pixels less for AlexNet and SqueezeNet, whose first windows have to fit.

        Raises:
            InputError: an unknown map, none at all, or images that are no batch or too small for the map.
        """
        wanted = self._checked_maps(maps)
        if images.ndim != 4 or images.shape[-1] != 3:
            raise InputError(f"trunk {self.name!r} needs images of shape [B, H, W, 3], not {list(images.shape)}")
        least, deepest = max((self.least_sides[name], name) for name in wanted)
        if min(images.shape[1:3]) < least:
            raise InputError(
                f"trunk {self.name!r} needs images of at least {least} x {least} pixels for {deepest!r}, not "
                f"{images.shape[1]} x {images.shape[2]}"
            )
        normalised = (normalisation or self.normalisation)(jnp.asarray(images, jnp.float32))
        found = self.forward(params, normalised, wanted)
        return {name: found[name] for name in wanted}

    @takes_arrays
    def __call__(self, images: Images, *, maps: Iterable[str], normalisation: Normalisation | None = None) -> Maps:
        """`apply` with this trunk's parameters, jitted; images may be uint8."""
        wanted = self._checked_maps(maps)
        images = jnp.asarray(images, jnp.float32)
        found = self._jitted(self.params, images, maps=wanted, normalisation=normalisation)
        return {name: found[name] for name in wanted}  # jit sorts dictionaries

    @functools.cached_property
    def _jitted(self) -> Callable[..., Maps]:
        return jax.jit(self.apply, static_argnames=("maps", "normalisation"))

    def _checked_maps(self, maps: Iterable[str]) -> tuple[str, ...]:
        wanted = (maps,) if isinstance(maps, str) else tuple(maps)
        unknown = [name for name in wanted if name not in self.maps]
        if unknown or not wanted:
            asked = f"no map {unknown[0]!r}" if unknown else "to be asked for at least one map"
            raise InputError(f"trunk {self.name!r} has {asked}: its maps are {', '.join(self.maps)}")
        return tuple(dict.fromkeys(wanted))
