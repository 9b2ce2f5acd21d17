"""What every site has in common."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from http.client import responses
from typing import Any, ClassVar
from urllib.parse import urlsplit

from scrapy import Request, Spider
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError

from textxfer.corpus.read import Rejected
from textxfer.errors import ConfigError, CorpusError
from textxfer.story import Story

__all__ = ["StorySpider", "page_url"]


def page_url(target: str) -> str:
    """``target`` as an http or https URL without fragment. Raises ConfigError where it is none."""
    try:
        parts = urlsplit(target.strip())
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{target!r} is refused: only http:// and https:// URLs are fetched.")
    return parts._replace(fragment="").geturl()


class StorySpider(Spider):
    """A site: what can be asked for, and how its pages become stories.

    A subclass gives ``about`` (one line: what a target is), ``terms`` (the
    licence where a page names none) and ``stories``; ``url`` where targets are
    more than URLs.
    """

    name = "story"
    about: ClassVar[str]
    terms: ClassVar[str] = "unknown"

    def __init__(self, targets: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.targets = targets
        self.pages = 0  # requests sent, robots.txt aside
        self.new = 0  # stories written
        self.rejected: list[Rejected] = []
        self.failed: set[str] = set()  # targets to be tried again by the next run

    @classmethod
    def url(cls, target: str) -> str:
        """The page to begin with. Raises ConfigError where ``target`` is none of this site's."""
        return page_url(target)

    def stories(self, response: Response, reject: Callable[[str], None]) -> Iterator[Story | Request]:
        """Stories of a page, or further requests from ``ask``.

        URL, time and checksum of the source are filled in afterwards. ``reject``
        takes the reason why a part is left out; CorpusError says that the page
        holds no story that can be read.
        """
        raise NotImplementedError

    async def start(self) -> AsyncIterator[Request]:
        for target in self.targets:
            yield self.ask(target, target)

    def ask(self, url: str, target: str) -> Request:
        """A request for a page that belongs to ``target``."""
        return Request(url, callback=self.parse, errback=self.fail, meta={"target": target})

    def parse(self, response: Response, **kwargs: Any) -> Iterator[Story | Request | Rejected]:
        target = response.meta["target"]
        parts: list[str] = []
        try:
            for found in self.stories(response, parts.append):
                yield self._sourced(found, response) if isinstance(found, Story) else found
        except CorpusError as error:
            parts.append(str(error).removeprefix(f"{target}: "))
        except Exception:  # a page that the spider was not written for must not end the crawl
            self.logger.exception("%s: the spider failed", response.url)
            self.failed.add(target)
            parts.append("the spider failed on this page; scrapy.log in the job's folder has the details")
        yield from (Rejected(target, reason) for reason in parts)

    def _sourced(self, story: Story, response: Response) -> Story:
        source = dataclasses.replace(
            story.source,
            url=response.meta["target"],
            licence=story.source.licence if story.source.licence != "unknown" else self.terms,
            fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
            sha256=hashlib.sha256(response.body).hexdigest(),
        )
        return dataclasses.replace(story, source=source)

    def fail(self, failure: Any) -> Iterator[Rejected]:
        target = failure.request.meta["target"]
        self.failed.add(target)
        yield Rejected(target, _reason(failure.value, failure.request.url))


def _reason(error: Exception, url: str) -> str:
    if isinstance(error, HttpError):
        status = error.response.status
        return f"{url} answered {status} {responses.get(status, '')}".rstrip()
    if isinstance(error, IgnoreRequest):
        if str(error) == "Forbidden by robots.txt":
            return f"the site's robots.txt forbids {url}"
        return str(error)
    detail = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    return f"{url} could not be fetched: {detail}"
