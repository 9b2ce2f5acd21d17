"""Markdown: the words without the marks; front matter gives title, author and licence."""

from __future__ import annotations

import re
from typing import Any

from textxfer.corpus.formats import Reject, decode, formats, ignore, slug, stem
from textxfer.errors import CorpusError
from textxfer.story import Source, Story

__all__ = ["parse"]

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


@formats.register("markdown")
@formats.register("md")
def parse(data: bytes, name: str, reject: Reject = ignore) -> list[Story]:
    """One linear story. Raises CorpusError where the front matter is not YAML."""
    text = decode(data, name)
    meta: dict[str, Any] = {}
    front = _FRONT_MATTER.match(text)
    if front is not None:
        loaded = _front_matter(front[1] or "", name)
        # A text that opens with a rule (---) and has another further down has no front matter.
        if isinstance(loaded, dict):
            meta, text = loaded, text[front.end() :]
    heading, prose = _plain(text)
    if not prose:
        raise CorpusError(f"{name}: it holds no text.")
    source = Source(
        title=str(meta.get("title") or heading or stem(name)),
        author=_names(meta.get("author") or meta.get("authors") or ""),
        licence=str(meta.get("licence") or meta.get("license") or "unknown"),
        url=str(meta.get("url") or ""),
    )
    return [Story.linear(slug(stem(name)), prose, source)]


def _names(author: object) -> str:
    return ", ".join(map(str, author)) if isinstance(author, list) else str(author)


def _front_matter(text: str, name: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 2}" if mark is not None else ""
        raise CorpusError(f"{name}: its front matter is not YAML{line}; mend it or take it out.") from None


def _plain(text: str) -> tuple[str, str]:
    """The first heading and the text without markup; a soft line break is a space."""
    from markdown_it import MarkdownIt

    heading, joined, in_heading = "", "", False
    separator = "\n\n"
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "heading_open":
            in_heading = True
        elif token.type == "paragraph_open":
            separator = "\n" if token.hidden else "\n\n"  # hidden: an item of a tight list
        block = ""
        if token.type == "inline":
            block = _inline(token.children or [])
            if in_heading:
                heading, in_heading = heading or block, False
                separator = "\n\n"
        elif token.type in ("fence", "code_block"):
            block = token.content.strip("\n")
            separator = "\n\n"
        if block.strip():
            joined += (separator if joined else "") + block
    return heading, joined.strip()


def _inline(tokens: list[Any]) -> str:
    words = {"softbreak": " ", "hardbreak": "\n"}
    return "".join(
        words.get(token.type) or (token.content if token.type in ("text", "text_special", "code_inline") else "")
        for token in tokens
    )
