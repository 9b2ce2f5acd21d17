"""Plain text: paragraphs between blank lines, hard-wrapped lines joined again."""

from __future__ import annotations

import re
from itertools import pairwise

from textxfer.corpus.formats import Reject, decode, formats, ignore, slug, stem, twee
from textxfer.errors import CorpusError
from textxfer.story import Source, Story

__all__ = ["parse", "unwrap"]

_START = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG.*$", re.MULTILINE | re.IGNORECASE)
_END = re.compile(r"^\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG.*$", re.MULTILINE | re.IGNORECASE)
_TWEE = re.compile(r"\s*^::[ \t]*\S", re.MULTILINE)
_FIELD = re.compile(r"^(Title|Author):[ \t]*(\S.*)$", re.MULTILINE)

LONGEST_WRAPPED_LINE = 120  # characters; text with longer lines was not wrapped by hand or by machine


@formats.register("txt")
def parse(data: bytes, name: str, reject: Reject = ignore) -> list[Story]:
    """One linear story. Project Gutenberg's header gives title and author and is cut, its footer too.

    A text that begins with a Twee passage header is read as Twee.
    """
    text = decode(data, name)
    if _TWEE.match(text):
        return twee.parse(data, name, reject)
    title, author, licence = stem(name), "", "unknown"
    begin = _START.search(text)
    if begin is not None:
        fields = dict(_FIELD.findall(text[: begin.start()]))
        title, author = fields.get("Title", title).strip(), fields.get("Author", author).strip()
        licence = "Project Gutenberg: public domain in the United States unless its header says otherwise"
        text = text[begin.end() :]
    end = _END.search(text)
    if end is not None:
        text = text[: end.start()]
    text = unwrap(text)
    if not text:
        raise CorpusError(f"{name}: it holds no text.")
    return [Story.linear(slug(stem(name)), text, Source(title=title, author=author, licence=licence))]


def unwrap(text: str) -> str:
    """Lines that were broken only because they were full become one line again.

    A line was full when the first word of the next would not have fitted in
    about the width of the text; short lines (verse, addresses) stay lines.
    Text with lines over 120 characters was never wrapped and stays as it is.
    """
    paragraphs = [p.strip("\n") for p in re.split(r"\n[ \t]*(?=\n)", text.strip())]
    lengths = sorted(len(line.strip()) for p in paragraphs for line in p.split("\n") if line.strip())
    if not lengths:
        return ""
    # A few over-long lines (a table, an address) do not make a wrapped text unwrapped.
    width = lengths[int(len(lengths) * 0.98)]
    if width > LONGEST_WRAPPED_LINE:
        return "\n\n".join(p for p in paragraphs if p.strip())
    return "\n\n".join(_join(p, width) for p in paragraphs if p.strip())


def _join(paragraph: str, width: int) -> str:
    lines = [line.strip() for line in paragraph.split("\n")]
    joined = lines[0]
    for line, following in pairwise(lines):
        first_word = following.split(maxsplit=1)[0] if following else ""
        full = len(line) + 1 + len(first_word) > 0.8 * width  # 0.8: wrapped text is ragged
        joined += (" " if full else "\n") + following
    return joined
