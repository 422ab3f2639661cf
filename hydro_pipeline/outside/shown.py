"""Text from outside, such as a field_id, made harmless for the medium that shows it. Pure.

CSV has its own in `outputs.csv`; the report page sets text, never HTML.
"""

import re

CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
"""What moves a cursor, ends a line, turns the direction of writing, or is no character."""

MARKDOWN = re.compile(r"[\\`*_~{}\[\]()<>#|!&$]|^[-+=]|(?<=\d)\.(?=\s|$)")
"""What may mean something in Markdown: anywhere; at a line's beginning; after a list's number."""


def plain(text: str) -> str:
    """One line for a terminal or a log: control characters are shown as escapes, `\\x1b`."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markdown(text: str) -> str:
    """One line of Markdown that shows `text` as it is: no link, image, HTML, table or emphasis."""
    return MARKDOWN.sub(r"\\\g<0>", plain(text).strip())


def slack(text: str) -> str:
    """One line of Slack's mrkdwn without mentions and links: `<!channel>` is shown as it is."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
