"""Drawings and pictures from a browser in, looks out: a page on this machine where a model is watched as it looks.

In: drawings or uploaded pictures, with options and a seed in every request.
Out: the look of a model, as JSON, which the page plays.
Read first: `app.py` (the routes), then `answer.py`; `page/main.js` is the browser's part.
"""
