"""Rows of statistics, one for each field and day, and which of them are stale."""
