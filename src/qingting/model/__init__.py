"""The vocabulary: frozen values that flow between the stages; one module per noun.

Imports nothing of the project's. All times are whole milliseconds from the start of the
recording (`*_ms`), half-open: a span covers start_ms <= t < end_ms.
"""
