"""What is measured: for every kernel its inputs, who computes it, how much work that is, and how fast it has to be."""

from benchmarks import kernels_of_boxes, kernels_of_features, kernels_of_images, kernels_of_votes, kernels_whole_path
from benchmarks.kernel import Kernel

KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for module in (kernels_of_features, kernels_of_images, kernels_of_votes, kernels_of_boxes, kernels_whole_path)
    for kernel in module.KERNELS
}


def chosen(names: list[str]) -> list[Kernel]:
    """The kernels of these names, all for none; a name's beginning stands for all that begin with it.

    Raises:
      SystemExit: nothing has such a name.
    """
    found: dict[str, Kernel] = {}
    for name in names or [""]:
        fitting = {key: kernel for key, kernel in KERNELS.items() if key == name}
        fitting = fitting or {key: kernel for key, kernel in KERNELS.items() if key.startswith(name)}
        if not fitting:
            raise SystemExit(f"no kernel is called {name!r}; there are {', '.join(KERNELS)}")
        found |= fitting
    return list(found.values())
