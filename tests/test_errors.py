"""Which errors a retry can help, and what an error looks like."""

from hydro_pipeline import errors
from hydro_pipeline.errors import HydroError


def test_what_may_pass_is_tried_again_and_nothing_else():
    every = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert {name for name, kind in every.items() if getattr(kind, "retryable", False)} == {
        "TransientError", "StoreUnavailableError", "CatalogUnavailableError", "SceneReadError",
        "ClusterError", "ConflictError",
    }  # fmt: skip


def test_an_error_is_one_line_that_can_be_printed():
    assert str(HydroError("field a\nb\x1b[2J")) == r"field a b\x1b[2J"
