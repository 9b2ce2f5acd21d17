"""Standard Ebooks: the chapters of a book, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from parsel import Selector
from scrapy import Request
from scrapy.http import Response, TextResponse

from scrapers.spider import StorySpider
from scrapers.spiders import sites
from textxfer.corpus.formats import slug
from textxfer.errors import CorpusError
from textxfer.story import Source, Story

__all__ = ["StandardEbooks"]

# epub:type in XHTML, data-epub-type in a page made of it
_TYPE = "@*[name()='epub:type' or name()='data-epub-type']"
# the book's own text is bodymatter; a single page holds the rest in sections of these kinds
_AROUND = frozenset(
    {"titlepage", "halftitlepage", "imprint", "colophon", "copyright-page", "dedication", "epigraph"}
    | {"toc", "landmarks", "loi", "endnotes"}
)
_BLOCK = (
    ".//hgroup | .//*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6][not(parent::hgroup)]"
    " | .//*[self::p or self::pre or self::dt][not(parent::hgroup)]"
    " | .//*[self::li or self::dd or self::td][not(.//p)]"
)


@sites.register("standardebooks")
class StandardEbooks(StorySpider):
    """A book's page leads to its single page; a chapter's page is a story of its own."""

    name = "standardebooks"
    about = "A book's page, its single page, or one chapter's page."
    terms = "CC0 1.0 (Standard Ebooks); the text is believed to be in the public domain in the United States"

    def stories(self, response: Response, reject: Callable[[str], None]) -> Iterator[Story | Request]:
        if not isinstance(response, TextResponse):
            raise CorpusError("it is no page of text")
        page = Selector(text=response.text, type="html")
        sections = [s for s in page.xpath(f"//*[self::section or self::article][{_TYPE}]") if not _inside(s)]
        if not sections:
            whole = page.xpath("//a[contains(@href, '/text/single-page')]/@href").get()
            if whole is None or response.url.endswith("/text/single-page"):
                raise CorpusError("it holds no chapter, and no link to the book as a single page")
            yield self.ask(response.urljoin(whole), response.meta["target"])
            return
        text = "\n\n".join(_blocks(s) for s in sections if not _kinds(s) & _AROUND)
        if not text.strip():
            raise CorpusError("it holds no chapter, only what stands around them")
        title = _line(page.xpath("//*[@id='titlepage']//h1")) or _line(page.xpath("//title")) or response.url
        author = _line(page.xpath(f"//*[@id='titlepage']//*[{_TYPE}[contains(., 'z3998:author')]]"))
        yield Story.linear(slug(title), text, Source(title=title, author=author))


def _kinds(section: Selector) -> set[str]:
    return set(section.xpath(_TYPE).get("").split())


def _inside(section: Selector) -> bool:
    """Whether it lies in a section that is read as a whole."""
    return bool(section.xpath(f"ancestor::*[self::section or self::article][{_TYPE}]"))


def _line(found: Selector | list[Selector]) -> str:
    first = found[0] if isinstance(found, list) and found else None
    return " ".join(first.xpath("string()").get("").split()) if first is not None else ""


def _blocks(section: Selector) -> str:
    """Headings, paragraphs and items; a line break stays one, the marks of notes go."""
    blocks = []
    for block in section.xpath(_BLOCK):
        if block.root.tag == "hgroup":
            text = ": ".join(filter(None, (_text(child) for child in block.xpath("./*"))))
        else:
            text = _text(block)
        blocks.append(text)
    return "\n\n".join(filter(None, blocks))


def _text(block: Selector) -> str:
    joined = ""
    for node in block.xpath(f".//text()[not(ancestor::a[{_TYPE}[contains(., 'noteref')]])] | .//br"):
        is_break = not isinstance(node.root, str)
        joined += "\n" if is_break else re.sub(r"\s+", " ", str(node.root))
    return "\n".join(line.strip() for line in joined.split("\n")).strip()
