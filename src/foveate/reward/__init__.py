"""Rollout and label in, loss out: reward, advantage, and the losses whose gradients train everything.

In: a `Rollout` and the labels; or the outputs of any module with REINFORCE units.
Out: `Losses`, of which `total` is differentiated.
Read first: `loss.py` (the loss of a rollout), then `criterion.py` (rewards for modules of your own).
"""
