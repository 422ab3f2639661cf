"""What a check that found much shows of it."""

import dagster as dg

from hydro_pipeline.defs import checks


def test_20_findings_are_shown_and_their_number():
    wrong = [f"wrong {n}" for n in range(1, 26)]
    result = checks._result(dg.AssetKey("a"), "check", wrong)
    assert result.description == "; ".join(wrong[:20])
    assert (result.passed, result.metadata["days"].value) == (False, 25)
