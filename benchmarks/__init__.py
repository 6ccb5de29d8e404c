"""Throughput and scaling of jaxeval's kernels, measured."""
