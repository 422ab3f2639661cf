"""Where everything is, under the root."""

import datetime as dt


def cube_key(area_name: str) -> str:
    """Where an area's cube is, under the root."""
    return f"cubes/{area_name}"


def scenes_key(area_name: str, day: dt.date) -> str:
    """Where the record of a day is, under the root."""
    return f"scenes/{area_name}/{day}.json"


def stats_key(area_name: str, day: dt.date) -> str:
    """Where a day's statistics are, under the root."""
    return f"field_stats/area={area_name}/date={day}/part-0.parquet"


def area_key(name: str) -> str:
    """Where an area is described, under the root."""
    return f"inputs/{name}/area.geojson"


def settled_key(name: str) -> str:
    """Where it is noted that all statistics of an area are complete, under the root."""
    return f"settled/{name}.json"
