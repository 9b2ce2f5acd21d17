"""Which addresses may be called, how long to wait, how many pages to ask for."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.http import Response
from scrapy.utils.defer import maybe_deferred_to_future

__all__ = ["LONGEST_WAIT", "PageCount", "PatientRetry", "PublicAddresses", "is_public", "seconds_to_wait"]

LONGEST_WAIT = 600.0  # seconds; a site that asks for more is left for another day


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not loopback, private, link-local or multicast."""
    ip = ipaddress.ip_address(address)
    inner = getattr(ip, "ipv4_mapped", None) or ip
    return inner.is_global and not inner.is_multicast


class PublicAddresses:
    """Refuses what is no http(s) and hosts that resolve to an address that is not public.

    The look-up is the reactor's own and is cached there, so the connection goes
    to the address that was judged. Redirects and robots.txt come through here too.
    """

    def __init__(self, crawler: Crawler) -> None:
        if crawler.settings.getbool("ALLOW_PRIVATE"):
            raise NotConfigured

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PublicAddresses:
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https"):
            raise IgnoreRequest(f"{request.url} is refused: only http:// and https:// URLs are fetched")
        address = await _address(host)
        if address is not None and not is_public(address):
            where = host if host == address else f"{host} ({address})"
            raise IgnoreRequest(
                f"{request.url} is refused: {where} is this machine or its own network; --allow-private lets it in"
            )


async def _address(host: str) -> str | None:
    """None where the host has no address; the download says so in its own words."""
    from twisted.internet import reactor  # type: ignore[attr-defined]
    from twisted.internet.error import DNSLookupError

    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        found: str = await maybe_deferred_to_future(reactor.resolve(host))  # type: ignore[arg-type, attr-defined]
    except (DNSLookupError, OSError):
        return None
    return found


def seconds_to_wait(retry_after: str, attempt: int) -> float:
    """What ``Retry-After`` asks for (RFC 9110, 10.2.3: seconds or a date), else 2, 4, 8, … by ``attempt`` from 0."""
    given = retry_after.strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        date = parsedate_to_datetime(given)
    except ValueError:
        return 2.0 ** (attempt + 1)
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


class PatientRetry(RetryMiddleware):
    """Scrapy's retries, each after the wait that the site asks for, or a growing one."""

    async def process_response(self, request: Request, response: Response) -> Request | Response:  # type: ignore[override]
        if response.status not in self.retry_http_codes:
            return response
        header = (response.headers.get("Retry-After") or b"").decode("latin-1")
        wait = seconds_to_wait(header, request.meta.get("retry_times", 0))
        if wait > LONGEST_WAIT:
            raise IgnoreRequest(
                f"{request.url} answered {response.status} and asks to wait {wait:.0f} seconds; "
                f"give the same command again later"
            )
        again = super().process_response(request, response)
        if isinstance(again, Request):
            await asyncio.sleep(wait)
        return again


class PageCount:
    """Counts requests, robots.txt aside, tells of each, and ends the crawl at MAX_PAGES."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._most = crawler.settings.getint("MAX_PAGES")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PageCount:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        spider, engine = self._crawler.spider, self._crawler.engine
        assert spider is not None and engine is not None
        if "target" not in request.meta:
            return
        spider.pages += 1  # type: ignore[attr-defined]
        print(json.dumps({"page": request.url}), flush=True)
        if spider.pages == self._most:  # type: ignore[attr-defined]
            # Closing waits for this request; what comes of it stays in the job's folder for the next run.
            self._closing = asyncio.ensure_future(engine.close_spider_async(reason="max_pages"))
