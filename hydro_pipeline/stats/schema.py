"""Columns of a row of statistics. Pure."""

from typing import Any

import pyarrow as pa

from hydro_pipeline.product import Product


def schema_of(product: Product) -> pa.Schema:
    """Columns of a day's file, sorted by field_id. Statistics of nothing are null."""
    return pa.schema(
        [
            pa.field("field_id", pa.string(), nullable=False),
            pa.field("planting_date", pa.date32(), nullable=False),
            pa.field("days_after_planting", pa.int32(), nullable=False),
            *(
                pa.field(column.name, pa.type_for_alias(column.type), column.nullable)
                for column in product.columns
            ),
            pa.field("field_hash", pa.string(), nullable=False),
            pa.field("cube_revision", pa.int32(), nullable=False),
            pa.field("computed_at", pa.timestamp("us", tz="UTC"), nullable=False),
        ]
    )


def to_rows(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """A table in `schema` from one array for each column; NaN becomes null."""
    arrays = [
        pa.array(columns[f.name], f.type, from_pandas=True)
        if not isinstance(columns[f.name], pa.Array)
        else columns[f.name]
        for f in schema
    ]
    return pa.table(arrays, schema)


def as_rows(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table as it was stored, perhaps by another version or of other variables, in `schema`.

    A statistic that it lacks is null in every row; columns that are not known are left out. Raises
    `pa.ArrowInvalid` or `KeyError` if a column that may not be null is missing, or cannot be cast.
    """
    for field in schema:
        if field.nullable and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)
