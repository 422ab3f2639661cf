"""Everything that knows Dagster. With `definitions.py`, the only place that imports it."""
