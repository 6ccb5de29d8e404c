"""Files of tensors: safetensors, torch's checkpoints and pickled arrays, read without torch and never executed."""

from jaxeval.tensor_files._reading import read_saved, read_tensors

__all__ = ["read_saved", "read_tensors"]
