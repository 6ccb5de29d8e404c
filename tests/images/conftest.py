"""Shapes and types of the images room are checked at run time in its tests."""

from jaxtyping import install_import_hook

with install_import_hook("jaxeval.images", "beartype.beartype"):
    import jaxeval.images  # noqa: F401  (imported for the hook)
