"""A spreadsheet finds data in the CSV, no formulas."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from hydro_pipeline.outputs.csv import write_csv


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('=HYPERLINK("http://evil")', '\'=HYPERLINK("http://evil")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("-0.31", "-0.31"),
        ("-7\n=1", "'-7\n=1"),
        ("F-01 = a", "F-01 = a"),
        ("", ""),
        ('it\'s "quoted", twice', 'it\'s "quoted", twice'),
    ],
)
def test_a_formula_gets_an_apostrophe(tmp_path: Path, text: str, written: str) -> None:
    rows = pa.table({"field_id": [text, "plain"], "ndvi_mean": [-0.31, None], text: ["a", "b"]})
    write_csv(rows, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        _, first, second = csv.reader(file)
    assert first[:2] == [written, "-0.31"]
    assert second[:2] == ["plain", ""]
