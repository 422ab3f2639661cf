"""Hostile text is shown as it is, in every medium."""

import pytest
from markdown_it import MarkdownIt

from hydro_pipeline.errors import FieldsError
from hydro_pipeline.outside.shown import markdown, plain, slack

HOSTILE = [
    "\x1b[31mred\x1b[0m", "bell\a", "over\rwritten", "two\nlines", "\u202egnp.exe", "\x9b2J",
    "a\u2028b", "\ud800", "<script>alert(1)</script>", "![x](http://evil/p.png)",
    "[click](javascript:alert(1))", "a|b", "`code`", "**bold** _it_ ~~no~~", "<!channel>",
    "<https://evil|Log in>", "@here & <@U1>", "# title", "&lt;b&gt;", "* item", "\\*",
    "- item", "+ item", "1. item", "2) item", "---", "> quoted", "===",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    tokens = (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(f"- {markdown(text)}")
    )
    kinds = {t.type for t in tokens} | {c.type for t in tokens for c in t.children or []}
    assert kinds <= {
        "bullet_list_open", "list_item_open", "paragraph_open", "inline", "text", "text_special",
        "paragraph_close", "list_item_close", "bullet_list_close",
    }  # fmt: skip
    (inline,) = (t for t in tokens if t.type == "inline")
    assert "".join(c.content for c in inline.children or []) == plain(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_slack_sees_no_mention_no_link_and_one_line(text: str) -> None:
    sent = slack(text)
    assert not set(sent) & set("<>\n\r")
    back = sent.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert back == plain(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\a\r\nb\tc", r"a\x07\r\nb\tc"),
        ("\u202eabc\u2069", r"\u202eabc\u2069"),
        ("\x9b31m", r"\x9b31m"),
        ("\udcff", r"\udcff"),
        ("Zażółć, 字段 नमस्\u200dते, -0.31", "Zażółć, 字段 नमस्\u200dते, -0.31"),
    ],
)
def test_control_characters_are_shown_as_escapes_and_words_as_they_are(
    text: str, shown: str
) -> None:
    assert plain(text) == shown
    plain(text).encode()


def test_an_error_is_one_line_whatever_its_values_hold() -> None:
    assert str(FieldsError("field a\nb\x1b]0;x\a is bad")) == r"field a b\x1b]0;x\x07 is bad"
