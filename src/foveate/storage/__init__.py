"""Files of a run: written whole or not at all, locked, and checked by a checksum.

In: bytes, states and metrics of a run.
Out: files that a crash, a full disk or a second process cannot spoil.
Read first: `files.py` (atomic writes), then `checkpoint.py`.
"""
