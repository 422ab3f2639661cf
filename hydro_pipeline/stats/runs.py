"""How much each pixel counts in each field, as runs of pixels that count alike. Pure."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Runs(NamedTuple):
    """Pixels of one field: in each run, they follow each other in a row of the grid."""

    row: NDArray[np.int32]
    """(run,) rows of the grid, from its north edge."""
    col: NDArray[np.int32]
    """(run,) columns of the grid, from its west edge, of each run's first pixel."""
    length: NDArray[np.int32]
    """(run,) pixels, at least 1."""
    weight: NDArray[np.float32]
    """(run,) of each of its pixels: greater than 0, at most 1."""

    @classmethod
    def of(cls, row: NDArray[Any], col: NDArray[Any], weight: NDArray[np.float32]) -> "Runs":
        """The runs that pixels (pixel,) make, in their order."""
        follows = (np.diff(row) == 0) & (np.diff(col) == 1) & (np.diff(weight) == 0)
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(row)), np.bool_), ~follows]))
        length = np.diff(first, append=len(row)).astype(np.int32)
        return cls(row[first].astype(np.int32), col[first].astype(np.int32), length, weight[first])

    @classmethod
    def joined(cls, parts: "list[Runs]") -> "Runs":
        """One part after the other; the list is emptied, so that memory is given back."""
        empty = (*[np.empty(0, np.int32)] * 3, np.empty(0, np.float32))
        columns = list(zip(empty, *parts, strict=True))
        parts.clear()
        return cls(*(np.concatenate(columns.pop(0)) for _ in cls._fields))

    def sorted(self) -> "Runs":
        """Row by row, from west to east."""
        return self.take(np.lexsort((self.col, self.row)))

    def take(self, index: NDArray[np.int64]) -> "Runs":
        """The runs at the positions `index`."""
        return Runs(self.row[index], self.col[index], self.length[index], self.weight[index])


@dataclass(frozen=True)
class Weights:
    """The runs of pixels of each field, one field's after the other's (compressed sparse rows)."""

    field_ids: tuple[str, ...]
    hashes: tuple[str, ...]
    """`Field.hash` of each field."""
    start: NDArray[np.int64]
    """(field + 1,): the runs of field i are start[i] to start[i + 1]."""
    runs: Runs
    """Of all fields; each field's row by row, from west to east."""
    total: NDArray[np.float64]
    """(field,) weight of the whole polygon in pixels, also of what lies beyond the grid."""

    @cached_property
    def at(self) -> NDArray[np.int32]:
        """(run + 1,): the pixels of run r are at[r] to at[r + 1] of all pixels."""
        return self._until.astype(np.int32)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(field,) how many pixels each has on the grid."""
        return np.diff(self._until[self.start])

    @property
    def _until(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.runs.length, dtype=np.int64)])

    def subset(self, index: NDArray[np.integer[Any]]) -> "Weights":
        """The weights of the fields at the positions `index`, in that order."""
        if np.array_equal(index, np.arange(len(self.total))):
            return self
        counts = np.diff(self.start)[index]
        start = np.concatenate([[0], np.cumsum(counts)])
        runs = np.repeat(self.start[index] - start[:-1], counts) + np.arange(start[-1])
        return Weights(
            tuple(self.field_ids[i] for i in index),
            tuple(self.hashes[i] for i in index),
            start,
            self.runs.take(runs),
            self.total[index],
        )
