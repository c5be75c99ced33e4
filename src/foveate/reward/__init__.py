"""Rollout and label in, loss out: reward, advantage, and the losses whose gradients train everything."""
