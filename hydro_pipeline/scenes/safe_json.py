"""JSON that nobody has checked: one value that cannot be read is told, and spoils nothing else."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

DEEPEST = 32
"""Levels of a value that is kept. What is below twice as many levels of a document is not read."""
LARGEST = 2_000_000
"""Values and characters of a value that is kept, together."""
LONGEST_NUMBER = 40
"""Digits of a whole number that is kept."""
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{\]}]', re.DOTALL)


@dataclass(frozen=True)
class NoJson:
    """Stands where a document has something that is no value of JSON, or no one value."""

    why: str


def safe_json(text: str | bytes) -> Any:
    """The document, with a `NoJson` in place of each value that cannot be read.

    That is NaN, Infinity, a number that is too large, a key that is given twice, and what is
    nested too deeply. Bytes that are no text become lone surrogates. Raises `ValueError` if the
    whole is no JSON.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogateescape")
    text = text.removeprefix("\ufeff")
    try:
        return _parsed(text)
    except RecursionError:
        return _parsed(_pruned(text))


def defect(value: Any) -> str | None:
    """Why a parsed value cannot be kept, or None: it can be stored as JSON and shown then."""
    size, left = 0, [(value, 0)]
    while left:
        value, depth = left.pop()
        size += 1
        match value:
            case NoJson():
                return value.why
            case str():
                size += len(value)
                if not _is_text(value):
                    return f"it holds {value[:40]!a}, which is no text"
            case dict():
                left += [(key, depth) for key in value]
                left += [(inner, depth + 1) for inner in value.values()]
            case list():
                left += [(inner, depth + 1) for inner in value]
        if depth > DEEPEST:
            return f"it is nested deeper than {DEEPEST} levels"
        if size > LARGEST:
            return f"it is larger than {LARGEST} characters"
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _parsed(text: str) -> Any:
    return json.loads(
        text,
        parse_constant=lambda name: NoJson(f"it holds {name}"),
        parse_int=_integer,
        parse_float=_number,
        object_pairs_hook=_object,
    )


def _integer(digits: str) -> int | NoJson:
    if len(digits) > LONGEST_NUMBER:
        return NoJson(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float | NoJson:
    value = float(digits)
    return value if math.isfinite(value) else NoJson(f"it holds the number {digits[:40]}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                found[key] = NoJson(f"its key {key[:40]!a} is given twice")
            seen.add(key)
    return found


def _pruned(text: str) -> str:
    """The document with NaN in place of what is nested too deeply to be read."""
    parts, depth, kept = [], 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == 2 * DEEPEST:
                parts.append(text[kept : token.start()])
        elif token[0] in "]}":
            if depth == 2 * DEEPEST:
                parts.append("NaN")
                kept = token.end()
            depth -= 1
    return "".join(parts if depth >= 2 * DEEPEST else [*parts, text[kept:]])
