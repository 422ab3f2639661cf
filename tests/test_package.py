"""What the package itself offers to notebooks."""

import pytest

import hydro_pipeline


def test_it_offers_what_it_names_and_nothing_else():
    for name in hydro_pipeline.__all__:
        assert callable(getattr(hydro_pipeline, name))
    with pytest.raises(AttributeError, match="'hydro_pipeline' has no attribute 'packed'"):
        _ = hydro_pipeline.packed
