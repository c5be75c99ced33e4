"""Config in, trained model out: the only folder that knows sizes and settings.

In: a `Config`.
Out: a run folder with the best model, its metrics and its test result.
Read first: `fit.py` (a run), then `epoch.py` and `step.py`; `build.py` makes the model.
"""
