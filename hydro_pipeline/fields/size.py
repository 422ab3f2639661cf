"""How large a fields file may be: one is held in memory as a whole. Pure."""

from hydro_pipeline.errors import FieldsError

GEOJSON_MB = 100
"""Takes about 1 GiB while it is read."""

GEOPARQUET_MB = 200
"""A field takes about 3 KiB, however it comes."""


def check_size(source: str, size: int) -> None:
    """Raise `FieldsError` for a file of `size` bytes that is too large to be read."""
    packed = source.lower().endswith("parquet")
    kind, limit = ("GeoParquet", GEOPARQUET_MB) if packed else ("GeoJSON", GEOJSON_MB)
    if size > limit * 1_000_000:
        advice = "" if packed else "convert it to GeoParquet, or "
        raise FieldsError(
            f"{source}: {size / 1e6:,.0f} MB of {kind}, and {limit} MB are the most that is read; "
            f"{advice}split it into several files"
        )
