"""jaxeval: metrics for generative image models in JAX."""

from jaxeval._version import __version__

__all__ = ["__version__"]
