"""How often the sensors look."""

from hydro_pipeline.defs.report import area_report
from hydro_pipeline.defs.sensors import late_fields, late_scenes


def test_fields_and_reports_are_looked_at_each_minute_and_scenes_each_hour():
    (report,) = area_report("farm", []).sensors
    sensors = late_fields("farm"), report, late_scenes("farm")
    assert [sensor.minimum_interval_seconds for sensor in sensors] == [60, 60, 3600]
