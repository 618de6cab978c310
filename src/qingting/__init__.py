"""Qingting 倾听: speech quality inspection and conversation analytics for call centres.

Importing this package loads nothing heavy; entry points import the stage they need.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
