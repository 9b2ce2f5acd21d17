"""Twee 3, and Twee 1 where it differs little: passages, and the links between them.

    :: Name [tags] {"metadata": …}
    Prose, then its choices:
    [[Open the gate->Yard]]

The notation: https://github.com/iftechfoundation/twine-specs (Twee 3). Macros of
story formats are not followed; they stay in the prose as they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textxfer.corpus.formats import Reject, decode, formats, ignore, slug, stem
from textxfer.errors import CorpusError
from textxfer.story import Choice, Passage, Source, Story

__all__ = ["parse"]

_HEADER = re.compile(r"^::(?!:)[ \t]*(.*)$", re.MULTILINE)
# name, [tags], {metadata}; in the name, brackets, braces and backslashes are escaped by a backslash
_HEADER_PARTS = re.compile(r"((?:\\.|[^\\\[{])*)(?:\[((?:\\.|[^\\\]])*)\])?\s*(\{.*\})?\s*\Z")
_LINK = re.compile(r"\[\[([^\[\]\n]+)\](?:\[[^\]\n]*\])?\]")  # the second bracket: SugarCube's setter
_SPACERS = r"[\s|/,•·]*"
_LINK_LINE = re.compile(rf"[ \t>*+\-•·|\d.)]*(?:{_LINK.pattern}{_SPACERS})+[.;]?\Z")
# links behind the end of a sentence, and nothing after them
_TRAILING_LINKS = re.compile(rf"(?<=[.!?:;…\"'”’)*_])[ \t]+(?:{_LINK.pattern}{_SPACERS})+\Z")

_NOT_STORY = frozenset(
    {"StoryTitle", "StoryData", "StoryAuthor", "StorySubtitle", "StoryInit", "StorySettings", "StoryMenu"}
    | {"StoryCaption", "StoryBanner", "StoryIncludes", "StoryInterface", "StoryShare"}
    | {"PassageHeader", "PassageFooter", "PassageReady", "PassageDone"}
)
_NOT_STORY_TAGS = frozenset({"script", "stylesheet", "widget", "init", "Twine.private", "Twine.image"})


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    tags: frozenset[str]
    body: str


@formats.register("tw")
@formats.register("twee")
def parse(data: bytes, name: str, reject: Reject = ignore) -> list[Story]:
    """One story. Links that lead nowhere are rejected and left out.

    The start is StoryData's, else the passage ``Start``, else the first one.
    Raises CorpusError where there is no passage, or the start names none.
    """
    sections: dict[str, _Section] = {}
    for section in _sections(decode(data, name)):
        if section.name in sections:
            reject(name, f"a second passage {section.name!r} is left out; the first one is kept")
        else:
            sections[section.name] = section
    told = {s.name: s for s in sections.values() if s.name not in _NOT_STORY and not s.tags & _NOT_STORY_TAGS}
    if not told:
        raise CorpusError(f"{name}: it has no passages; a passage begins with a line like ':: Name'.")

    def body(special: str) -> str:
        return sections[special].body.strip() if special in sections else ""

    data_passage = _story_data(body("StoryData"), name, reject)
    start = str(data_passage.get("start") or ("Start" if "Start" in told else next(iter(told))))
    if start not in told:
        raise CorpusError(f"{name}: its StoryData names the start {start!r}, and there is no such passage.")
    passages = {s.name: _passage(s, told, lambda reason: reject(name, reason)) for s in told.values()}
    title = " ".join(body("StoryTitle").split())
    source = Source(
        title=title or stem(name),
        author=" ".join(body("StoryAuthor").split()) or str(data_passage.get("author") or ""),
        licence=str(data_passage.get("licence") or data_passage.get("license") or "unknown"),
    )
    return [Story(slug(title or stem(name)), source, start, passages)]


def _sections(text: str) -> list[_Section]:
    heads = list(_HEADER.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    found = []
    for head, end in zip(heads, ends, strict=False):  # no head, one end: the text without passages
        parts = _HEADER_PARTS.match(head[1])
        title, tags = (parts[1], parts[2] or "") if parts is not None else (head[1], "")
        body = re.sub(r"^\\(?=::)", "", text[head.end() : end], flags=re.MULTILINE)
        found.append(_Section(_unescape(title).strip(), frozenset(_unescape(tags).split()), body))
    return found


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _story_data(body: str, name: str, reject: Reject) -> dict[str, Any]:
    if not body:
        return {}
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as error:
        reject(name, f"its StoryData is not JSON ({error}) and is not used")
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _split_link(link: str) -> tuple[str, str]:
    """Text and target of ``text->to``, ``to<-text``, ``text|to`` or ``to``."""
    for arrow in ("->", "|"):
        if arrow in link:
            text, _, to = link.rpartition(arrow)
            break
        if "<-" in link:
            to, _, text = link.partition("<-")
            break
    else:
        text = to = link
    return " ".join(text.split()) or to.strip(), to.strip()


def _passage(section: _Section, told: dict[str, _Section], reject: Callable[[str], None]) -> Passage:
    choices: dict[Choice, None] = {}  # in order, each once
    for link in _LINK.finditer(section.body):
        choice = Choice(*_split_link(link[1]))
        if choice.to in told:
            choices[choice] = None
        else:
            missing = f"leads to {choice.to!r}, which names no passage"
            reject(f"the choice {choice.text!r} of {section.name!r} {missing}")
    return Passage(section.name, _prose(section.body), tuple(choices))


def _prose(body: str) -> str:
    """The body without its choices; a link within a sentence leaves its words there."""
    paragraphs = []
    for paragraph in re.split(r"\n[ \t]*\n", body.strip()):
        lines = paragraph.rstrip().split("\n")
        while lines and (not lines[-1].strip() or _LINK_LINE.match(lines[-1])):
            lines.pop()
        if lines:
            lines[-1] = _TRAILING_LINKS.sub("", lines[-1])
        paragraphs.append("\n".join(lines))
    prose = "\n\n".join(p for p in paragraphs if p.strip())
    return _LINK.sub(lambda link: _split_link(link[1])[0], prose)
