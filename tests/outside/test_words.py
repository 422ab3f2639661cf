"""Values and names of any size are shown in a few characters that can be printed."""

from hydro_pipeline.outside.words import printable, shown


def test_a_value_is_shown_in_60_characters_and_four_levels():
    assert shown("x" * 58) == f"'{'x' * 58}'"
    assert [len(shown(v)) for v in ("x" * 59, 10**60, Exception("x" * 99))] == [60, 60, 60]
    assert shown([[[1]]]) == "[[[1]]]"
    assert shown([[[[1]]]]) == "[[[[...]]]]"


def test_a_name_is_printed_in_200_characters_and_its_middle_is_left_out():
    assert printable("x" * 200) == "x" * 200
    assert printable("a" * 101 + "b" * 100) == f"{'a' * 100}...{'b' * 100}"
    assert printable("a\n\udcff") == r"a\n\udcff"
    assert printable("a" * 101 + "b" * 100, limit=4) == "aa...bb"
