"""Reference generators in Flax NNX: small GANs and VAEs, how they are trained, and how jaxeval judges them as it goes.

jaxeval never imports this package; `models.sampling:from_run` hands a trained generator to its command line.
"""
