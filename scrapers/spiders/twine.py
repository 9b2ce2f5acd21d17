"""Any page that Twine published: its passages and links, as a branching story."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from parsel import Selector
from scrapy import Request
from scrapy.http import Response, TextResponse

from scrapers.spider import StorySpider
from scrapers.spiders import sites
from textxfer.corpus.formats import twee
from textxfer.errors import CorpusError
from textxfer.story import Story

__all__ = ["Twine", "to_twee"]


@sites.register("twine")
class Twine(StorySpider):
    """The page is written as Twee, and the reader of Twee files does the rest."""

    name = "twine"
    about = "The URL of a page that Twine 1 or 2 published."

    def stories(self, response: Response, reject: Callable[[str], None]) -> Iterator[Story | Request]:
        if not isinstance(response, TextResponse):
            raise CorpusError("it is no page of text")
        name = response.meta["target"]
        yield from twee.parse(to_twee(response.text).encode(), name, lambda _, reason: reject(reason))


def to_twee(html: str) -> str:
    """Twee 3 of a published page. Raises CorpusError where the page holds no story.

    The formats: https://github.com/iftechfoundation/twine-specs (Twine 2 HTML, Twine 1 HTML).
    """
    page = Selector(text=html, type="html")
    story = page.xpath("//tw-storydata")
    if story:
        return _twine2(page, story[0])
    passages = page.xpath("//*[@id='storeArea' or @id='store-area']/*[@tiddler]")
    if passages:
        return _twine1(page, passages)
    raise CorpusError(
        "it holds no Twine story (no <tw-storydata>, no storeArea); a story in a frame has a URL of its own"
    )


def _twine2(page: Selector, story: Selector) -> str:
    passages = story.xpath(".//tw-passagedata")
    first = story.xpath("@startnode").get()
    starts = [p.attrib.get("name", "") for p in passages if p.attrib.get("pid") == first]
    data = _about(page) | ({"start": " ".join(starts[0].split())} if starts else {})
    parts = [_passage("StoryTitle", "", story.attrib.get("name", "")), _passage("StoryData", "", json.dumps(data))]
    for p in passages:
        parts.append(_passage(p.attrib.get("name", ""), p.attrib.get("tags", ""), p.xpath("string()").get("")))
    return "\n\n".join(parts)


def _twine1(page: Selector, passages: list[Selector]) -> str:
    escaped = {"n": "\n", "t": "\t", "s": "\\"}
    parts = [_passage("StoryData", "", json.dumps(_about(page)))]
    for p in passages:
        body = re.sub(r"\\([nts])", lambda m: escaped[m[1]], p.xpath("string()").get(""))
        parts.append(_passage(p.attrib["tiddler"], p.attrib.get("tags", ""), body))
    return "\n\n".join(parts)


def _about(page: Selector) -> dict[str, str]:
    """Author and licence where the page names them in its head or by ``rel="license"``."""
    author = page.xpath("//meta[@name='author']/@content").get("").strip()
    licence = page.xpath("//meta[@name='license' or @name='licence']/@content").get("").strip()
    licence = licence or page.xpath("//*[contains(concat(' ', @rel, ' '), ' license ')]/@href").get("").strip()
    return {key: value for key, value in (("author", author), ("licence", licence)) if value}


def _passage(name: str, tags: str, body: str) -> str:
    def escape(text: str) -> str:
        return re.sub(r"([\\\[\]{}])", r"\\\1", " ".join(text.split()))

    shown = f" [{escape(tags)}]" if tags.strip() else ""
    return f":: {escape(name)}{shown}\n" + re.sub(r"^(?=::)", r"\\", body.strip(), flags=re.MULTILINE)
