"""Image and location in, feature out: the movable multi-resolution window and the network behind it."""
