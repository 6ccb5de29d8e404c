"""Makes torchvision importable beside a torch build that it was not compiled for, and modules of pyiqa one by one."""

import functools
import importlib
import importlib.metadata
import sys
import types


@functools.cache
def torchvision_stub():
    """Defines the two operators that torchvision registers fake kernels for at import; keeps their library alive."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def pyiqa_module(name: str) -> types.ModuleType:
    """A module of pyiqa, without what the package and its own packages import at once, of which OpenCV is not here."""
    torchvision_stub()
    folder = importlib.metadata.distribution("pyiqa").locate_file("pyiqa")
    for package in ("", ".archs", ".utils"):
        if f"pyiqa{package}" not in sys.modules:
            module = types.ModuleType(f"pyiqa{package}")
            module.__path__ = [str(folder) + package.replace(".", "/")]
            sys.modules[f"pyiqa{package}"] = module
    return importlib.import_module(f"pyiqa.{name}")
