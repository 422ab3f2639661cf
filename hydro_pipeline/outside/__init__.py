"""Calls to the outside, and what comes from there: deadlines, trust, addresses, text."""
