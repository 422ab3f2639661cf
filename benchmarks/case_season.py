"""A month over 20 x 20 km with 500 fields, against the naive script and the wire; late fields."""

import json
from collections.abc import Iterator

from benchmarks import floor, naive, ours
from benchmarks.bench import Bench
from benchmarks.measure import measure
from benchmarks.seasons import days_of, prepare, season
from benchmarks.servers import Bucket, EarthSearch
from benchmarks.table import Row, costs, differs, faster
from hydro_pipeline.settings import ZonalWeights

ONE = "1 late field over 30 days"


def run(bench: Bench) -> Iterator[Row]:
    """Cases (a) and (c)."""
    made = season(bench.folder, "month", days=30, size_km=20.0, n_fields=500, n_late=2)
    days, area = days_of(made), made.area("farm")
    what = (made.bbox, area.grid, made.fields_geojson, days)
    with EarthSearch(made.directory, bench.far) as earth, Bucket(bench.wire) as bucket:
        settings = bucket.settings(catalog=earth.url, cloud_buffer_m=0)

        def fresh() -> None:
            bucket.clear()
            prepare(settings, made)
            earth.reset()
            bucket.reset()

        mine = measure(ours.run_days, settings, days, repeat=bench.repeat, prepare=fresh)
        bench.say(f"season: {mine.seconds} s, {mine.value['stages']}")
        read, stored = earth.counts(), bucket.counts()
        origin = earth.url.removesuffix("/v1")
        moved = (origin, read["by_path"], settings, stored["PUT"], stored["bytes_in"])
        bound = measure(floor.move, *moved, repeat=bench.repeat)
        bench.say(f"season: lower bound {bound.seconds} s, {read['cog_bytes'] / 1e6:.0f} MB in, "
                  f"{stored['bytes_in'] / 1e6:.0f} MB out in {stored['PUT']} PUTs")  # fmt: skip
        scripts = {}
        for with_ in ("rasterstats", "exactextract"):
            scripts[with_] = measure(naive.script, earth.url, *what, with_, repeat=bench.repeat)
            bench.say(f"season: {with_} script {scripts[with_].seconds} s")
        for with_, script in scripts.items():
            than = f"script with {with_}"
            target = ">= 3" if with_ == "rasterstats" else ""
            yield faster("season", "30 days", mine.median, script.median, than, target)
            target = ">= 6" if with_ == "rasterstats" else ""
            yield faster(
                "season", "peak memory", mine.peak_mib, script.peak_mib, than, target, "MiB"
            )
        yield costs("season", "30 days", mine.median, bound.median, "GET and PUT alone", "<= 2.5")
        for way in ZonalWeights:
            with_ = {"coverage": "exactextract", "centre": "rasterstats"}[way]
            weighted = settings.model_copy(update={"zonal_weights": way})
            ours.catch_up(weighted)
            without = ("median",) if way is ZonalWeights.COVERAGE else ()
            gaps = ours.largest_differences(ours.table(weighted), scripts[with_].value, without)
            yield differs("season", "largest differences", gaps, f"script with {with_}")
        ours.catch_up(settings)

        yield from _late(bench, made, settings, earth, bucket, scripts["rasterstats"].median)


def _late(bench, made, settings, earth, bucket, naive_seconds) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    from hydro_pipeline.storage.store import Store

    days, area, store = days_of(made), made.area("farm"), Store(settings)
    feature = json.loads(made.late_fields_geojson)["features"][0]

    def enter(number: int, count: int) -> bytes:
        features = []
        for n in range(count):
            field_id = f"late-{number}-{n}"
            facts = {"field_id": field_id, "planting_date": str(days[0])}
            features.append({**feature, "properties": facts})
        data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
        store.put(f"inputs/farm/fields/late-{number}.geojson", data)
        return data

    numbers = iter(range(bench.repeat))
    earth.reset()
    late = measure(
        ours.catch_up, settings, repeat=bench.repeat, prepare=lambda: enter(next(numbers), 1)
    )
    asked = earth.counts()
    assert late.value["pairs"] == len(days)
    clipped = measure(
        naive.clipped, earth.url, made.bbox, area.grid, enter(0, 1), days, repeat=bench.repeat
    )
    yield faster(
        "late", ONE, late.median, clipped.median, "clipped COGs read again, exactextract", ">= 10"
    )
    yield faster("late", ONE, late.median, naive_seconds, "script run again", ">= 100")
    yield Row("late", "COG bytes and STAC requests",
              asked["cog_bytes"] + asked["stac_requests"], "", target="<= 0")  # fmt: skip
    mine = {k: v for k, v in ours.table(settings).items() if k[1] == "late-0-0"}
    gaps = ours.largest_differences(mine, clipped.value, ("median",))
    yield differs("late", "largest differences", gaps, "exactextract on clipped COGs")
