"""How the scraper behaves towards sites, as Scrapy settings."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textxfer.errors import ConfigError

__all__ = ["SETTINGS", "job_folder", "settings", "user_agent"]

SETTINGS: dict[str, Any] = {
    "ROBOTSTXT_OBEY": True,
    "ROBOTSTXT_USER_AGENT": "textxfer",
    "CONCURRENT_REQUESTS": 1,  # so a wait that one answer asks for holds everything back
    "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
    "AUTOTHROTTLE_ENABLED": True,
    "AUTOTHROTTLE_MAX_DELAY": 60.0,  # seconds
    "AUTOTHROTTLE_TARGET_CONCURRENCY": 1.0,
    "RETRY_TIMES": 4,
    "RETRY_HTTP_CODES": [408, 429, 500, 502, 503, 504, 522, 524],
    "DOWNLOAD_TIMEOUT": 60,  # seconds
    "DOWNLOAD_MAXSIZE": 64 * 2**20,  # bytes, unpacked too
    "REDIRECT_MAX_TIMES": 5,
    "DEPTH_LIMIT": 0,
    "HTTPCACHE_ENABLED": False,
    # No cookies: no site here needs them, and Scrapy would fetch a list of domains to judge them by.
    "COOKIES_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,  # a local port that runs any Python sent to it
    "LOG_LEVEL": "INFO",
    "DOWNLOAD_HANDLERS": {"data": None, "file": None, "ftp": None, "s3": None},
    "DOWNLOADER_MIDDLEWARES": {
        "scrapers.middlewares.PublicAddresses": 50,  # before robots.txt is asked for
        "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
        "scrapers.middlewares.PatientRetry": 550,
        "scrapers.middlewares.PageCount": 890,
    },
    "ITEM_PIPELINES": {"scrapers.pipelines.StoryFile": 100},
    "DUPEFILTER_CLASS": "scrapers.seen.Seen",
    # What waits in a job's folder is marshalled and the spider's own state is not kept: no pickle is read.
    "SCHEDULER_DISK_QUEUE": "scrapy.squeues.MarshalFifoDiskQueue",
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "EXTENSIONS": {"scrapy.extensions.spiderstate.SpiderState": None},
}


def user_agent(contact: str = "") -> str:
    """``textxfer/1.0 (story scraper; contact: …)``. Raises ConfigError where ``contact`` fits in no header."""
    contact = contact.strip()
    if not (contact.isascii() and contact.isprintable()) or set("()") & set(contact):
        raise ConfigError(f"The contact {contact!r} is no mail address or URL in plain ASCII.")
    about = f"story scraper; contact: {contact}" if contact else "story scraper"
    try:
        release = version("textxfer")
    except PackageNotFoundError:  # run from a checkout
        release = "dev"
    return f"textxfer/{release} ({about})"


def job_folder(out: Path, site: str) -> Path:
    """Where a site's crawl keeps what it has seen and what waits."""
    return out / "_job" / site


def settings(
    site: str, out: Path, *, contact: str, allow_private: bool, max_pages: int | None, delay: float
) -> dict[str, Any]:
    """All settings of one crawl. ``delay``: the fewest seconds between two requests."""
    return SETTINGS | {
        "USER_AGENT": user_agent(contact),
        "DOWNLOAD_DELAY": delay,
        "AUTOTHROTTLE_START_DELAY": delay,
        "JOBDIR": str(job_folder(out, site)),
        "LOG_FILE": str(job_folder(out, site) / "scrapy.log"),
        "STORIES_OUT": str(out),
        "ALLOW_PRIVATE": allow_private,
        "MAX_PAGES": max_pages or 0,
    }
