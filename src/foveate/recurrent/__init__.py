"""Features in, hidden states and answers out: the loop that looks, and the record of what it did.

In: images, and the parts of a model: glimpse network, core, locator, classifier, baseline.
Out: a `Rollout`: locations, log-probabilities, hidden states, baselines and logits, time first.
Read first: `attention.py` (the loop), then `rollout.py`.
"""
