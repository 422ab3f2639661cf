"""A file that is too large is refused by its size, before it is read."""

from pathlib import Path

import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import FieldsError
from hydro_pipeline.fields.fields import read_fields
from hydro_pipeline.fields.size import check_size
from hydro_pipeline.settings import Settings
from hydro_pipeline.storage.store import Store

AREA = Area.from_bbox("mol", (5.0, 51.0, 5.05, 51.02))


@pytest.mark.parametrize(
    ("name", "most"),
    [("a.geojson", 100), ("a.JSON", 100), ("a.parquet", 200), ("a.GeoParquet", 200)],
)
def test_the_sentence_names_size_and_limit(name: str, most: int) -> None:
    check_size(name, most * 1_000_000)
    with pytest.raises(FieldsError, match=rf"{name}: 2,345 MB of Geo\w+, and {most} MB"):
        check_size(name, 2_345_000_000)


def test_a_huge_file_among_others_is_never_opened(tmp_path: Path) -> None:
    folder = tmp_path / "inputs/mol/fields"
    folder.mkdir(parents=True)
    for name, size in (("huge.geojson", 200_000_000), ("huge.parquet", 600_000_000)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
        (folder / name).chmod(0)
    (folder / "small.geojson").write_text(
        '{"type": "Feature", "properties": {"field_id": "F", "planting_date": "2024-01-01"},'
        '"geometry": {"type": "Polygon", "coordinates":'
        "[[[5.01, 51.005], [5.02, 51.005], [5.02, 51.01], [5.01, 51.005]]]}}"
    )
    store = Store(Settings.load(root=str(tmp_path)))
    opened: list[str] = []
    get = store.get

    def watched(key: str) -> bytes | None:
        opened.append(key)
        return get(key)

    store.get = watched  # type: ignore[method-assign]
    reading = read_fields(store, AREA)
    assert opened == ["inputs/mol/fields/small.geojson"]
    assert [f.field_id for f in reading.fields] == ["F"]
    assert not reading.complete, "a field of the huge file may still exist"
    told = sorted(p.message for p in reading.problems)
    assert told == [
        "huge.geojson: 200 MB of GeoJSON, and 100 MB are the most that is read; convert it to "
        "GeoParquet, or split it into several files",
        "huge.parquet: 600 MB of GeoParquet, and 200 MB are the most that is read; split it into "
        "several files",
    ]
