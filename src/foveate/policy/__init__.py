"""Hidden state in, location out: stochastic units that REINFORCE trains, and the locator built on one.

In: the hidden state of the core.
Out: the next location, and the log-probability of drawing it.
Read first: `units.py` (what a REINFORCE unit is), then `locator.py`.
"""
