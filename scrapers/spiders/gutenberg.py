"""Project Gutenberg: plain texts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

from scrapy import Request
from scrapy.http import Response

from scrapers.spider import StorySpider, page_url
from scrapers.spiders import sites
from textxfer.corpus.formats import decode, ignore, plain, slug
from textxfer.errors import ConfigError, CorpusError
from textxfer.story import Story

__all__ = ["Gutenberg"]

_PAGE = re.compile(r"https?://(?:www\.)?gutenberg\.org/ebooks/(\d+)/?\Z")
_TEXT = "https://www.gutenberg.org/cache/epub/{id}/pg{id}.txt"
_MARK = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG", re.MULTILINE | re.IGNORECASE)


@sites.register("gutenberg")
class Gutenberg(StorySpider):
    """An ebook's number, its page, or the URL of its plain text (a mirror's too)."""

    name = "gutenberg"
    about = "An ebook's number (120), its page, or the URL of its plain text; mirrors are fine."

    @classmethod
    def url(cls, target: str) -> str:
        number = target.strip().removeprefix("#")
        if number.isascii() and number.isdigit():
            return _TEXT.format(id=int(number))
        if "://" not in target:
            raise ConfigError(f"{target!r} is neither an ebook's number nor a URL; give 120 or https://….txt.")
        url = page_url(target)
        page = _PAGE.match(url)
        return _TEXT.format(id=int(page[1])) if page else url

    def stories(self, response: Response, reject: Callable[[str], None]) -> Iterator[Story | Request]:
        name = response.meta["target"]
        text = decode(response.body, name)
        mark = _MARK.search(text)
        if mark is None:
            raise CorpusError("it has no Project Gutenberg header; give the URL of the plain text (UTF-8)")
        (story,) = plain.parse(response.body, name, ignore)
        source = story.source
        if "copyrighted project gutenberg" in text[: mark.start()].casefold():
            terms = "Project Gutenberg: under copyright, given out with permission; its header says what is allowed"
            source = dataclasses.replace(source, licence=terms)
        yield dataclasses.replace(story, id=slug(source.title), source=source)
