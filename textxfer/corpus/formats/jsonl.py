"""JSON lines: a line is a Story, or ``{"text": …}`` with title, author, licence and url if known."""

from __future__ import annotations

import codecs
import json
from typing import Any

from textxfer.corpus.formats import Reject, decode, formats, ignore, slug, stem
from textxfer.errors import CorpusError
from textxfer.story import Source, Story

__all__ = ["parse"]


@formats.register("jsonl")
def parse(data: bytes, name: str, reject: Reject = ignore) -> list[Story]:
    """A story a line. A bad line is rejected with its number and the others are kept."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = decode(data, name).encode()
    stories = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            stories.append(_story(_load(decode(line, where)), f"{slug(stem(name))}-{number}"))
        except CorpusError as error:
            reject(where, str(error).removeprefix(f"{where}: "))
    return stories


def _load(line: str) -> dict[str, Any]:
    try:
        loaded = json.loads(line)
        if "\\ud" in line.lower():
            json.dumps(loaded, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except UnicodeEncodeError:
        raise CorpusError("it holds half a surrogate pair, which is no character") from None
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"it is not JSON ({error})") from None
    if not isinstance(loaded, dict):
        raise CorpusError(f"it is a JSON {type(loaded).__name__}; a story is an object with passages or a text")
    return loaded


def _story(given: dict[str, Any], default_id: str) -> Story:
    if "passages" in given:
        try:
            return Story.from_json(given)
        except KeyError as error:
            raise CorpusError(f"it is no story: {error} is missing") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise CorpusError(f"it is no story: {error}") from None
    text = given.get("text")
    if not isinstance(text, str):
        raise CorpusError('it has neither "passages" nor a "text" that is a string')
    known = {key: str(given[key]) for key in ("title", "author", "licence", "url") if given.get(key)}
    if given.get("license"):
        known.setdefault("licence", str(given["license"]))
    title = known.get("title", "")
    id = str(given.get("id") or (slug(title) if title else default_id))
    return Story.linear(id, text, Source(**{"title": id, **known}))
