"""Writes the STAC fixtures beside it, in the shapes of Earth Search v1, from a table of facts.

The facts are those of real Sentinel-2 products: ids, times, tiles, baselines, flags, footprints
(degrees, rounded). Run it after a change: python tests/data/make.py
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

API = "https://earth-search.aws.element84.com/v1"
L2A, COLLECTION_1 = "sentinel-2-l2a", "sentinel-2-c1-l2a"
HOSTS = {
    L2A: "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs",
    COLLECTION_1: f"https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/{COLLECTION_1}",
}
# Tile: EPSG code, easting and northing of its upper left corner.
TILES = {
    "32TMT": (32632, 399960, 5300040),
    "32TNT": (32632, 499980, 5300040),
    "31TCJ": (32631, 300000, 4900020),
    "33TWN": (32633, 499980, 5300040),
    "15TTF": (32615, 199980, 4600020),
    "14TQL": (32614, 699960, 4600020),
    "13TDE": (32613, 399960, 4500000),
}
WHOLE = {
    "32TMT": "7.663 47.846, 7.688 46.858, 9.128 46.866, 9.130 47.854",
    "31TCJ": "0.496 44.226, 0.537 43.238, 1.889 43.259, 1.870 44.248",
    "33TWN": "15.000 47.854, 16.467 47.844, 16.440 46.857, 15.000 46.866",
    "13TDE": "-106.183 40.645, -106.166 39.656, -104.886 39.662, -104.885 40.651",
}


@dataclass(frozen=True)
class Fact:
    """What is known of one item."""

    id: str
    tile: str
    datetime: str
    datatake: str
    baseline: str
    updated: str
    flag: bool | None = None
    sequence: str | None = None
    footprint: str = ""
    """Longitude and latitude of its corners; empty: the whole tile."""
    collection: str = L2A
    stac_1_1: bool = False
    """Written as STAC 1.1 does: `proj:code`, and `bands` in place of `eo:bands`."""


def item(fact: Fact) -> dict[str, Any]:
    """One STAC item."""
    epsg, left, top = TILES[fact.tile]
    corners = [
        [float(v) for v in pair.split()]
        for pair in (fact.footprint or WHOLE[fact.tile]).split(", ")
    ]
    xs, ys = zip(*corners, strict=True)
    properties = {
        "created": fact.updated,
        "updated": fact.updated,
        "datetime": fact.datetime,
        "platform": f"sentinel-{fact.id[1:3].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        **({"proj:code": f"EPSG:{epsg}"} if fact.stac_1_1 else {"proj:epsg": epsg}),
        "mgrs:utm_zone": int(fact.tile[:2]),
        "mgrs:latitude_band": fact.tile[2],
        "mgrs:grid_square": fact.tile[3:],
        "grid:code": f"MGRS-{fact.tile}",
        "s2:processing_baseline": fact.baseline,
        "s2:datatake_id": f"{fact.datatake}_N{fact.baseline}",
        "s2:product_type": "S2MSI2A",
    }
    if fact.flag is not None:
        properties["earthsearch:boa_offset_applied"] = fact.flag
    if fact.sequence is not None:
        properties["s2:sequence"] = fact.sequence
    offset = 0 if fact.baseline < "04" else -0.1
    month = int(fact.datetime[5:7])
    place = f"{fact.tile[:2]}/{fact.tile[2]}/{fact.tile[3:]}/{fact.datetime[:4]}/{month}/{fact.id}"
    folder = f"{HOSTS[fact.collection]}/{place}"
    grids = {"red": (4, 10), "nir": (8, 10), "scl": (0, 20)}
    return {
        "type": "Feature",
        "stac_version": "1.1.0" if fact.stac_1_1 else "1.0.0",
        "id": fact.id,
        "collection": fact.collection,
        "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "properties": properties,
        "links": [
            {"rel": "self", "href": f"{API}/collections/{fact.collection}/items/{fact.id}"},
            {"rel": "collection", "href": f"{API}/collections/{fact.collection}"},
            {"rel": "root", "href": API},
        ],
        "assets": {
            name: _asset(name, folder, number, metres, (left, top), offset, fact.stac_1_1)
            for name, (number, metres) in grids.items()
        },
        "stac_extensions": [
            f"https://stac-extensions.github.io/{extension}/schema.json"
            for extension in (f"projection/v{2 if fact.stac_1_1 else 1}.0.0", "raster/v1.1.0")
        ],
    }


def _asset(
    name: str,
    folder: str,
    number: int,
    metres: int,
    corner: tuple[int, int],
    offset: float,
    v11: bool,
) -> dict[str, Any]:
    raster = {"nodata": 0, "data_type": "uint16", "spatial_resolution": metres}
    if name == "scl":
        raster["data_type"] = "uint8"
    else:
        raster |= {"scale": 0.0001, "offset": offset}
    bands = [{"name": name, ("eo:common_name" if v11 else "common_name"): name}]
    size = 109_800 // metres
    return {
        "href": f"{folder}/{f'B{number:02}' if number else 'SCL'}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data", "reflectance"],
        "proj:shape": [size, size],
        "proj:transform": [metres, 0, corner[0], 0, -metres, corner[1]],
        "raster:bands": [raster],
        **({} if name == "scl" else {"bands" if v11 else "eo:bands": bands}),
    }


MAR5, MAR2 = "GS2A_20200305T103021_024558", "GS2A_20200302T102021_024515"
AUG8, AUG28 = "GS2A_20220808T104631_037228", "GS2A_20220828T104631_037514"
JUL1 = "GS2A_20230701T171901_041908"
FIXTURES: dict[str, list[Fact]] = {
    # One datatake processed twice; the swath edge of 32TNT was drawn a little differently.
    "reprocessed": [
        Fact("S2A_32TMT_20200305_1_L2A", "32TMT", "2020-03-05T10:37:41.587000Z", MAR5, "05.00",
             "2024-06-29T14:41:57.577Z", True, "1"),
        Fact("S2A_32TMT_20200305_0_L2A", "32TMT", "2020-03-05T10:37:41.586000Z", MAR5, "02.14",
             "2022-11-06T11:09:42.477Z", False, "0"),
        Fact("S2A_32TNT_20200305_1_L2A", "32TNT", "2020-03-05T10:37:36.899000Z", MAR5, "05.00",
             "2024-06-29T14:02:27.674Z", True, "1",
             "9.000 47.854, 9.000 46.867, 9.252 46.867, 9.264 46.905, 9.332 47.050, 9.362 47.118, "
             "9.368 47.136, 9.690 47.852"),
        Fact("S2A_32TNT_20200305_0_L2A", "32TNT", "2020-03-05T10:37:36.899000Z", MAR5, "02.14",
             "2022-11-06T10:55:09.466Z", False, "0",
             "9.000 47.854, 9.691 47.852, 9.559 47.555, 9.368 47.136, 9.353 47.088, 9.316 47.016, "
             "9.265 46.903, 9.251 46.865, 9.000 46.866"),
        Fact("S2A_32TMT_20200302_1_L2A", "32TMT", "2020-03-02T10:27:44.564000Z", MAR2, "05.00",
             "2023-10-13T18:30:03.776Z", True, "1"),
        Fact("S2A_32TMT_20200302_0_L2A", "32TMT", "2020-03-02T10:27:44.563000Z", MAR2, "02.14",
             "2022-11-06T10:55:22.682Z", False, "0"),
    ],
    # The north and the south part of one tile, downlinked apart; on the second day the other way
    # round. Written as STAC 1.1.
    "halves": [
        Fact("S2A_31TCJ_20220808_0_L2A", "31TCJ", "2022-08-08T10:59:07.889000Z", AUG8, "04.00",
             "2024-08-30T23:14:32.509332Z", True, "0",
             "0.496 44.226, 0.519 43.682, 0.740 43.644, 1.252 43.546, 1.828 43.425, 1.886 43.412, "
             "1.870 44.248", stac_1_1=True),
        Fact("S2A_31TCJ_20220808_1_L2A", "31TCJ", "2022-08-08T10:59:14.419000Z", AUG8, "04.00",
             "2024-08-30T23:08:00.625340Z", True, "1",
             "1.883 43.592, 1.281 43.717, 1.063 43.759, 0.511 43.860, 0.537 43.238, 1.889 43.259",
             stac_1_1=True),
        Fact("S2A_31TCJ_20220828_1_L2A", "31TCJ", "2022-08-28T10:59:08.843000Z", AUG28, "04.00",
             "2024-08-30T20:17:33.014762Z", True, "1",
             "0.496 44.226, 0.519 43.676, 0.670 43.651, 1.248 43.541, 1.812 43.423, 1.886 43.406, "
             "1.870 44.248", stac_1_1=True),
        Fact("S2A_31TCJ_20220828_0_L2A", "31TCJ", "2022-08-28T10:59:15.353000Z", AUG28, "04.00",
             "2024-08-30T20:11:12.387139Z", True, "0",
             "1.883 43.587, 1.275 43.712, 1.040 43.758, 0.512 43.854, 0.537 43.238, 1.889 43.259",
             stac_1_1=True),
    ],
    # One overpass on both sides of 96 W.
    "two_zones": [
        Fact("S2A_15TTF_20230701_0_L2A", "15TTF", "2023-07-01T17:32:25.463000Z", JUL1, "05.09",
             "2024-09-19T00:24:39.019725Z", True, "0",
             "-96.594 41.496, -96.541 40.509, -96.497 40.512, -96.132 41.509", stac_1_1=True),
        Fact("S2A_14TQL_20230701_0_L2A", "14TQL", "2023-07-01T17:32:26.086000Z", JUL1, "05.09",
             "2024-09-17T20:31:48.276086Z", True, "0",
             "-96.603 41.527, -96.639 40.540, -96.487 40.537, -96.130 41.516", stac_1_1=True),
    ],
    # Before baseline 04.00; from it on with the flag true, false and (invented) missing.
    "offsets": [
        Fact("S2A_33TWN_20161202_0_L2A", "33TWN", "2016-12-02T10:03:56.457000Z",
             "GS2A_20161202T100402_007555", "00.01", "2022-11-08T11:32:23.624Z", False, "0"),
        Fact("S2B_33TWN_20220130_0_L2A", "33TWN", "2022-01-30T10:07:28.006000Z",
             "GS2B_20220130T100139_025602", "04.00", "2022-11-06T12:59:03.526Z", True, "0"),
        Fact("S2B_33TWN_20220226_0_L2A", "33TWN", "2022-02-26T09:57:32.883000Z",
             "GS2B_20220226T095029_025988", "04.00", "2022-11-06T13:00:43.033Z", False, "0"),
        Fact("S2C_33TWN_20250310_0_L2A", "33TWN", "2025-03-10T10:07:31.021000Z",
             "GS2C_20250310T100031_002663", "05.11", "2025-03-10T16:12:40.118Z", None, "0"),
    ],
    "collection_1": [
        Fact("S2A_T13TDE_20240422T174753_L2A", "13TDE", "2024-04-22T17:53:02.036000Z",
             "GS2A_20240422T173911_046141", "05.10", "2024-04-23T03:23:58.819Z",
             footprint="-105.077 40.651, -105.373 39.661, -104.886 39.662, -104.885 40.651",
             collection=COLLECTION_1),
        Fact("S2B_T13TDE_20240420T175329_L2A", "13TDE", "2024-04-20T18:02:56.089000Z",
             "GS2B_20240420T174909_037204", "05.10", "2024-04-21T03:10:22.921Z",
             collection=COLLECTION_1),
    ],
}  # fmt: skip


def documents() -> dict[str, Any]:
    """Each fixture by file name: ItemCollections."""
    return {
        f"{name}.json": {"type": "FeatureCollection", "features": [item(f) for f in facts]}
        for name, facts in FIXTURES.items()
    }


if __name__ == "__main__":
    for name, document in documents().items():
        Path(__file__).with_name(name).write_text(json.dumps(document, indent=1) + "\n")
