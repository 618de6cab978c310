"""One module per step, `NNNN_what.py`; a released step is never changed."""
