"""Draws the README's picture from the demo's data: run `make demo` first, then `make pictures`."""

from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.dates import ConciseDateFormatter

from hydro_pipeline.cli.demo import AREA, DATA
from hydro_pipeline.days import day_number
from hydro_pipeline.product import NODATA
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.state import AreaState

SHOWN = (10, 15, 17, 19)
"""Days of the season."""
LATE_FIELD = "L01"
TO = Path(__file__).parent / "pictures" / "demo.png"


def main() -> None:
    """Write `pictures/demo.png`: seen, gap-filled, age, and a late field's past."""
    state = Pipeline(Settings.load(root=str(DATA))).open(AREA)
    cube = state.made_cube
    figure = plt.figure(figsize=(11, 9.6), layout="constrained")
    maps, series = figure.subfigures(2, 1, height_ratios=[3, 1.15])
    axes = maps.subplots(3, len(SHOWN))
    for column, day in enumerate(cube.days[n] for n in SHOWN):
        (packed,), observed_on = cube.read(day)
        ndvi = np.where(packed == NODATA, np.nan, packed * cube.product.main.scale)
        age = np.where(packed == NODATA, np.nan, day_number(day) - observed_on.astype(float))
        seen = np.where(age == 0, ndvi, np.nan)
        for row, (values, style) in enumerate(
            (
                (seen, {"cmap": "YlGn", "vmin": 0, "vmax": 0.95}),
                (ndvi, {"cmap": "YlGn", "vmin": 0, "vmax": 0.95}),
                (age, {"cmap": "magma_r", "vmin": 0, "vmax": 12}),
            )
        ):
            axis = axes[row, column]
            axis.set_facecolor("#c9cdd3")
            image = axis.imshow(values, interpolation="nearest", **style)
            axis.set(xticks=[], yticks=[])
            if column == len(SHOWN) - 1:
                maps.colorbar(image, ax=axes[row], shrink=0.8, label="days" if row == 2 else "NDVI")
        axes[0, column].set_title(f"{day}\n{np.isfinite(seen).mean():.0%} seen clear", fontsize=10)
    for row, name in enumerate(("seen that day", "stored: gap-filled", "its age")):
        axes[row, 0].set_ylabel(name, fontsize=11)
    _draw_series(series.subplots(), state)
    figure.suptitle(
        "A simulated season (not real imagery) as hydro_pipeline stores it", fontsize=12
    )
    TO.parent.mkdir(exist_ok=True)
    figure.savefig(TO, dpi=80, metadata={"Software": None})


def _draw_series(axis: plt.Axes, state: AreaState) -> None:
    rows = state.stats(field_id=LATE_FIELD).to_pylist()
    days: list[date] = [row["date"] for row in rows]
    mean = np.array([row["ndvi_mean"] for row in rows])
    axis.fill_between(
        days, [r["ndvi_p10"] for r in rows], [r["ndvi_p90"] for r in rows], color="#cfe6d4"
    )
    axis.plot(days, mean, color="#2a7a45", label="mean NDVI (band: 10th to 90th percentile)")
    seen = np.array([row["observed_fraction"] > 0.5 for row in rows])
    axis.plot(np.array(days)[seen], mean[seen], "o", color="#2a7a45", label="mostly seen that day")
    entered = state.stats().column("date").to_pylist()[-1]
    axis.axvline(entered, color="#b0413e", linestyle="--", label="the field is entered")
    axis.set_title(
        f"Field {LATE_FIELD}: entered late, its past computed from the cube", fontsize=10
    )
    axis.set_ylabel("NDVI")
    axis.xaxis.set_major_formatter(ConciseDateFormatter(axis.xaxis.get_major_locator()))
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", fontsize=8)


if __name__ == "__main__":
    main()
