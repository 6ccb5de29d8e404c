"""What a user may choose in the place of a protocol's own rules, for sets that are too small for them or on purpose."""

import dataclasses
from collections.abc import Iterable

from jaxeval.errors import InputError
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.protocols import PRDC_MANIFOLD, ManifoldRule, Protocol, SplitRule, SubsetRule

# The measures that each choice is about.
_ABOUT = {
    "kid_subset_size": ("kd",),
    "kid_subsets": ("kd",),
    "k": ("prdc", "clipped", "p-precision-recall", "realism", "rarity"),
    "is_splits": ("is",),
}


@dataclasses.dataclass(frozen=True)
class Choices:
    """Numbers in the place of those of a protocol; None for its own.

    Attributes:
      kid_subset_size: images of either set in each subset of a kernel distance.
      kid_subsets: how many subsets.
      k: which neighbour balls reach to, for precision, recall, density, coverage, their clipped and soft relatives,
        realism and rarity.
      is_splits: of an Inception score.
    """

    kid_subset_size: int | None = None
    kid_subsets: int | None = None
    k: int | None = None
    is_splits: int | None = None

    def check_use(self, measures: Iterable[Measure]) -> None:
        """Refuses a choice that none of the measures heeds.

        Raises:
          InputError: there is one.
        """
        asked = {measure.name for measure in measures}
        for name, about in _ABOUT.items():
            if getattr(self, name) is not None and not asked & set(about):
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} is about {', '.join(about)}, and none of them was asked for; leave it out")

    def applied(self, protocol: Protocol) -> Protocol:
        """The protocol with these numbers, which says where it departs from itself."""
        return dataclasses.replace(
            protocol,
            subsets=self._subsets(protocol),
            splits=self._splits(protocol),
            manifold=self._manifold(protocol),
            neighbours=protocol.neighbours if self.k is None else self.k,
        )

    def _subsets(self, protocol: Protocol) -> SubsetRule | None:
        own = protocol.subsets
        if self.kid_subset_size is None and self.kid_subsets is None:
            return own
        rule = own or SubsetRule("torch-fidelity")
        number = rule.subsets if self.kid_subsets is None else self.kid_subsets
        size = rule.size if self.kid_subset_size is None else self.kid_subset_size
        if own is None:
            departs = f"{protocol.follows} has no kernel distance of its own"
        elif (number, size) == (own.subsets, own.size):
            return own
        else:
            departs = f"where {protocol.follows} has {own.subsets:,} of {own.size:,}"
        return SubsetRule(rule.rule, number, size, departs)

    def _splits(self, protocol: Protocol) -> SplitRule | None:
        own = protocol.splits
        if self.is_splits is None:
            return own
        if own is None:
            return SplitRule("torch-fidelity", self.is_splits, f"{protocol.follows} has no Inception score of its own")
        if own.rule == "adm":  # its splits have a size, not a number; those of StyleGAN3 are not shuffled either
            return SplitRule("stylegan3", self.is_splits, f"where {protocol.follows} has splits of 5,000")
        if self.is_splits == own.splits:
            return own
        return SplitRule(own.rule, self.is_splits, f"where {protocol.follows} has {own.splits}")

    def _manifold(self, protocol: Protocol) -> ManifoldRule | None:
        own = protocol.manifold
        rule = own or PRDC_MANIFOLD
        if self.k is None or self.k == rule.k:
            return own
        return dataclasses.replace(rule, k=self.k, departs=f"k = {self.k} where it has {rule.k}")
