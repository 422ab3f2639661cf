"""A hundred late fields over a season that is in the cube already."""

import json
from collections.abc import Iterator

from benchmarks import naive, ours
from benchmarks.bench import Bench
from benchmarks.measure import measure
from benchmarks.seasons import days_of, prepare, season
from benchmarks.servers import Bucket, EarthSearch
from benchmarks.table import Row, differs, faster
from hydro_pipeline.simulation.season import Season
from hydro_pipeline.storage.store import Store

WHAT = "100 late fields over 120 days"
LATE = "inputs/farm/fields/late.geojson"


def run(bench: Bench) -> Iterator[Row]:
    """Catching up against reading the imagery under the late fields again."""
    made = season(bench.folder, "late", days=120, size_km=20.0, n_fields=400, n_late=100)
    days, area, late = days_of(made), made.area("farm"), _planted_first(made)
    with EarthSearch(made.directory, bench.far) as earth, Bucket(bench.wire) as bucket:
        settings = bucket.settings(catalog=earth.url, cloud_buffer_m=0)
        bucket.latency(0.0)
        prepare(settings, made)
        measure(ours.run_days, settings, days)
        bucket.latency(bench.wire.latency_s)
        bucket.keep()
        store = Store(settings)

        def enter() -> None:
            bucket.restore()
            store.put(LATE, late)
            bucket.reset()

        earth.reset()
        mine = measure(ours.catch_up, settings, repeat=bench.repeat, prepare=enter)
        asked, gets = earth.counts(), bucket.counts()["chunk_gets"]
        assert mine.value["pairs"] == 100 * len(days)
        bench.say(f"late: {mine.seconds} s, processor {mine.cpu} s, {mine.value}")
        clipped = measure(naive.clipped, earth.url, made.bbox, area.grid, late, days)
        than = "clipped COGs read again, exactextract"
        every = _with(made.fields_geojson, late)
        script = measure(naive.script, earth.url, made.bbox, area.grid, every, days, "rasterstats")
        yield faster("late", WHAT, mine.median, clipped.median, than, ">= 10")
        yield faster("late", WHAT, mine.median, script.median, "script run again")
        yield faster("late", "peak memory", mine.peak_mib, clipped.peak_mib, than, unit="MiB")
        yield Row("late", "chunk GETs", gets, "", target=f"<= {mine.value['chunks']}")
        yield Row("late", "COG bytes and STAC requests",
                  asked["cog_bytes"] + asked["stac_requests"], "", target="<= 0")  # fmt: skip
        gaps = ours.largest_differences(ours.table(settings), clipped.value, ("median",))
        yield differs("late", "largest differences", gaps, than)


def _planted_first(made: Season) -> bytes:
    """The season's late fields, planted on its first day."""
    document = json.loads(made.late_fields_geojson)
    for feature in document["features"]:
        feature["properties"]["planting_date"] = str(made.first_day)
    return json.dumps(document).encode()


def _with(fields: bytes, late: bytes) -> bytes:
    """Both files in one."""
    document = json.loads(fields)
    document["features"] += json.loads(late)["features"]
    return json.dumps(document).encode()
