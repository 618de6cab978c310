"""The inspection dimensions: every module here that does not begin with `_` is one analyzer."""
