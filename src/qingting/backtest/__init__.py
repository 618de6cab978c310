"""Backtests: two versions of a rule file or a pack over stored reports, and what changes between them."""
