"""Makes torchvision importable beside a torch build that it was not compiled for."""

import functools


@functools.cache
def torchvision_stub():
    """Defines the two operators that torchvision registers fake kernels for at import; keeps their library alive."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
