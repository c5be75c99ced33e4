"""Images and a trained model in, pictures out: where it looked, what it saw there, what it answered.

In: a model with images, or the metrics of runs.
Out: a `Look` at an image; scanpaths, animations, charts, a report, TensorBoard.
Read first: `record.py` (what a `Look` holds), then `look.py` and `scanpath.py`.
"""
