"""Fast forms of the training step: unrolled, and compiled.

In: a model, a loss and a batch, as the plain loop takes them.
Out: the losses and gradients of the plain loop, sooner; a test holds each form against it.
Read first: `unrolled.py`, then `scanpath.py` (one member's forward and backward pass) and `compile.py`.
"""
