"""Hidden state in, location out: stochastic units that REINFORCE trains, and the locator built on one."""
