"""Tables as CSV that a spreadsheet takes for data, never for formulas."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

FORMULA = r"^[=+\-@\t\r\n]"
NUMBER = r"^[+-]?\d+(\.\d+)?$"


def write_csv(rows: pa.Table, to: Path) -> None:
    """Write a table. A text that begins as a formula does (= + - @, tab, line end) and is no number
    gets an apostrophe before it.
    """
    for index, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            rows = rows.set_column(index, field, _harmless(rows[field.name]))
    pa.csv.write_csv(rows, to)


def _harmless(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    formula = pc.and_not(
        pc.match_substring_regex(texts, FORMULA), pc.match_substring_regex(texts, NUMBER)
    )
    return pc.if_else(formula, pc.binary_join_element_wise("'", texts, ""), texts)
