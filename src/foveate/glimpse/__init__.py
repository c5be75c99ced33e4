"""Image and location in, feature out: the movable multi-resolution window and the network behind it.

In: images, and a location (x, y) in [-1, 1] for each.
Out: patches around each location at several scales, and a feature that combines them with the location.
Read first: `location.py` (the coordinates), then `foveate.py` (the plain reader) and `sensor.py`.
"""
