"""JSON that nobody has checked: what cannot be read is told, and spoils nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydro_pipeline.scenes.safe_json import DEEPEST, LARGEST, NoJson, defect, safe_json

WHOLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(WHOLE)
def test_json_is_read_as_it_is(value):
    assert safe_json(json.dumps(value)) == value
    assert safe_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "it holds NaN"),
        ("-Infinity", "it holds -Infinity"),
        ("1e999", "it holds the number 1e999"),
        ("9" * 5000, "it holds a number of 5000 digits"),
        ('{"a": 1, "b": 2, "a": 1}', "its key 'a' is given twice"),
        ('{"\\ud800": 1, "\\ud800": 2}', r"its key '\\ud800' is given twice"),
        ("[" * 200_000 + "]" * 200_000, f"it is nested deeper than {DEEPEST} levels"),
        ('{"a":' * 200_000 + "0" + "}" * 200_000, f"it is nested deeper than {DEEPEST} levels"),
        ("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), f"it is nested deeper than {DEEPEST} levels"),
        ('"\\ud800"', r"it holds '\\ud800', which is no text"),
        ('"\\u0000"', r"it holds '\\x00', which is no text"),
        ('{"\\udfff": 1}', r"it holds '\\udfff', which is no text"),
        (b'"\xff"', r"it holds '\\udcff', which is no text"),
        (json.dumps("x" * LARGEST), "it is larger than"),
    ],
)
def test_what_cannot_be_read_or_kept_is_told_and_spoils_nothing_beside_it(text, why):
    data = text if isinstance(text, bytes) else text.encode()
    one, other = safe_json(b'[%s, {"id": "]}[", "n": [1, 2.5]}]' % data)
    assert defect(one).replace("\\\\", "\\").startswith(why.replace("\\\\", "\\"))
    assert other == {"id": "]}[", "n": [1, 2.5]}
    assert defect(other) is None


@pytest.mark.parametrize(
    ("kept", "refused"),
    [
        ("[" * 33 + "]" * 33, "[" * 34 + "]" * 34),
        (json.dumps("x" * 1_999_999), json.dumps("x" * 2_000_000)),
        ("-" + "9" * 39, "9" * 41),
    ],
    ids=["32 levels below it", "two million characters and values", "a number of 40 characters"],
)
def test_the_largest_that_is_kept(kept, refused):
    assert defect(safe_json(kept)) is None
    assert defect(safe_json(refused)) is not None


def test_other_encodings_of_json_are_read():
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert safe_json('{"ä": "€"}'.encode(encoding)) == {"ä": "€"}
    assert safe_json("\ufeff[1]") == [1]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"<html>", b"[" * 200_000, b"[1,]", b"\xff\xfe{", b"{'a': 1}"]
)
def test_what_is_no_json_is_one_kind_of_error(data):
    with pytest.raises(ValueError, match=r".+"):
        safe_json(data)


def test_a_value_that_is_given_twice_is_no_value_even_if_it_is_the_same():
    assert isinstance(safe_json('{"a": 1, "a": 1}')["a"], NoJson)
