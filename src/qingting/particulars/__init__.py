"""Particulars in what was said: numbers, addresses and names, found by their form; knows nothing of calls."""
