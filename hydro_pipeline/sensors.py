"""Whose scenes can be read: a value each, found by its STAC collection. Pure."""

import datetime as dt
from dataclasses import replace

from hydro_pipeline.product import Band, Mask, Sensor

SENTINEL_2 = Sensor(
    title="Sentinel-2 Level-2A",
    constellation="sentinel-2",
    collection="sentinel-2-l2a",
    credit="contains modified Copernicus Sentinel data",
    # Keys: Earth Search; Planetary Computer and Digital Earth Africa; CDSE.
    bands=(
        Band("blue", "blue", 10.0, ("B02", "B02_10m")),
        Band("green", "green", 10.0, ("B03", "B03_10m")),
        Band("red", "red", 10.0, ("B04", "B04_10m")),
        Band("rededge1", "rededge1", 20.0, ("B05", "B05_20m")),
        Band("rededge2", "rededge2", 20.0, ("B06", "B06_20m")),
        Band("rededge3", "rededge3", 20.0, ("B07", "B07_20m")),
        Band("nir", "nir", 10.0, ("B08", "B08_10m")),
        Band("nir08", "nir08", 20.0, ("B8A", "B8A_20m")),
        Band("swir16", "swir16", 20.0, ("B11", "B11_20m")),
        Band("swir22", "swir22", 20.0, ("B12", "B12_20m")),
    ),
    dn_per_unit=10_000.0,
    first_day=dt.date(2015, 7, 1),
    mask=Mask(
        band=Band("scl", "scl", 20.0, ("SCL", "SCL_20m")),
        clear=(2, 4, 5, 6, 7),
        # Cloud shadow, cloud of medium and of high probability, cirrus.
        spoiling=(3, 8, 9, 10),
        buffer_m=60.0,
    ),
)
"""As Earth Search has it, and by the same name Planetary Computer and CDSE."""

SENSORS = {
    sensor.collection: sensor
    for sensor in (
        SENTINEL_2,
        replace(SENTINEL_2, collection="sentinel-2-c1-l2a"),
        replace(SENTINEL_2, collection="s2_l2a"),
    )
}
"""By collection: Earth Search before and with Collection 1, Digital Earth Africa."""


def sensor(collection: str) -> Sensor:
    """The sensor of a STAC collection. Raises `ValueError` if it is not known."""
    if collection not in SENSORS:
        raise ValueError(
            f"the collection {collection!r} is not known; known are {', '.join(SENSORS)}"
        )
    return SENSORS[collection]
