"""What a kernel of the benchmarks is."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

OURS = "jaxeval"

Size = Mapping[str, int]
Run = Callable[[], Any]
Rate = Literal["gemm_f32", "gemm_f64", "copy"]


@dataclasses.dataclass(frozen=True)
class Goal:
    """How fast a kernel has to be.

    Attributes:
      ratio: at least so many times as fast as `peer`.
      peer: whom it is compared with.
      share: at least this share of the machine's rate.
    """

    ratio: float | None = None
    peer: str | None = None
    share: float | None = None

    def __str__(self) -> str:
        parts = [] if self.ratio is None else [f"{self.ratio:g}x {self.peer}"]
        parts += [] if self.share is None else [f"{self.share:.0%} of the rate"]
        return ", ".join(parts) or "-"


@dataclasses.dataclass(frozen=True)
class Kernel:
    """Something that is measured.

    Attributes:
      name: for the command line.
      title: for the page; may name the numbers of a size.
      sizes: by `small` and `paper`, what `make` takes.
      contenders: by name, what makes the function that is timed from a size; ours is called `OURS`. The function
        returns the number that it found where all contenders must find the same.
      work: floating-point operations, or bytes, of a size.
      rate: which of the machine's rates bounds it.
      goal: how fast it has to be, at the paper size.
      images: how many images a size has, where images a second are of interest.
      alike: relative difference within which all contenders' numbers agree; None where they compute different things.
      remark: what a reader must know.
    """

    name: str
    title: str
    sizes: Mapping[str, Size]
    contenders: Mapping[str, Callable[[Size], Run]]
    work: Callable[[Size], float]
    rate: Rate
    goal: Goal = Goal()
    images: Callable[[Size], int] | None = None
    alike: float | None = None
    remark: str = ""

    def describe(self, size: Size) -> str:
        """The title with the numbers of a size."""
        return self.title.format(**{key: f"{value:,}" for key, value in size.items()})
