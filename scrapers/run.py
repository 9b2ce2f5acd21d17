"""``scrape``: stories of a site into a folder that the corpus reader reads."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrapers.settings import job_folder, user_agent
from textxfer.corpus.read import Rejected
from textxfer.errors import ConfigError, MissingExtra, TextxferError

__all__ = ["ScrapeResult", "scrape", "site_names"]


@dataclass(frozen=True, slots=True)
class ScrapeResult:
    """What one run did."""

    stories: int  # new in stories.jsonl
    rejected: list[Rejected]  # targets and parts of stories that were left out, and why
    pages: int  # requests sent, redirects and retries too, robots.txt aside
    total: int  # stories in stories.jsonl


def _need_scrapy() -> None:
    if importlib.util.find_spec("scrapy") is None:
        raise MissingExtra("Scraping needs Scrapy; install it: pip install 'textxfer[scrape]'")


def site_names() -> list[tuple[str, str]]:
    """The sites and, in a line each, what can be asked of them. Raises MissingExtra without Scrapy."""
    _need_scrapy()
    from scrapers.spiders import sites

    return [(name, spider.about) for name, spider in sites.items()]


def scrape(
    site: str,
    targets: Iterable[str],
    out: str | Path,
    *,
    contact: str = "",
    allow_private: bool = False,
    max_pages: int | None = None,
    delay: float = 1.0,
    progress: Callable[[str], None] | None = None,
) -> ScrapeResult:
    """Fetches ``targets`` (URLs, or what else the site takes) and appends to ``out/stories.jsonl``.

    The same call again goes on where it was stopped, tries again what failed and
    fetches nothing else twice. ``contact`` (a mail address or URL) goes into the
    user agent; ``max_pages`` bounds the requests of this run; ``delay`` is the
    fewest seconds between two of them; ``progress`` is given each URL asked for.

    Raises MissingExtra without Scrapy, and ConfigError where the site, a target,
    ``out`` or the contact is at fault: then nothing was fetched. KeyboardInterrupt
    comes through after what was gathered is on disk.
    """
    _need_scrapy()
    from scrapers.spiders import sites

    spider = sites.get(site)
    urls = list(dict.fromkeys(spider.url(target) for target in targets))
    if not urls:
        raise ConfigError(f"There is nothing to fetch from {site}: {spider.about}")
    if max_pages is not None and max_pages < 1:
        raise ConfigError(f"max_pages is {max_pages}, it must be at least 1.")
    user_agent(contact)
    folder = Path(out)
    _prepare(folder, site)
    job = {
        "site": site,
        "targets": urls,
        "out": str(folder.absolute()),
        "contact": contact,
        "allow_private": allow_private,
        "max_pages": max_pages,
        "delay": delay,
    }
    result = _run(job, progress)
    if result is None:
        log = job_folder(folder, site) / "scrapy.log"
        raise TextxferError(f"The scraper stopped before its end; what it gathered is kept, and {log} says why.")
    from scrapers.pipelines import count_stories

    rejected = [Rejected(name, reason) for name, reason in result["rejected"]]
    return ScrapeResult(result["new"], rejected, result["pages"], count_stories(folder))


def _prepare(out: Path, site: str) -> None:
    try:
        if not (out / "stories.jsonl").exists():
            shutil.rmtree(out / "_job", ignore_errors=True)  # what it remembers as fetched is gone
        job_folder(out, site).mkdir(parents=True, exist_ok=True)
        (out / "stories.jsonl").touch()
    except OSError as error:
        raise ConfigError(f"{str(out)!r} cannot be written to: {error.strerror}. Give another folder.") from None


def _run(job: dict[str, Any], progress: Callable[[str], None] | None) -> dict[str, Any] | None:
    """The result that the child process tells; None where it ended without one."""
    # -P: what lies in the current folder is not imported, only what we were imported from.
    # A session of its own: Ctrl-C reaches only us.
    home = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "scrapers.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert child.stdin is not None and child.stdout is not None
    result = None
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps(job) + "\n")
            child.stdin.flush()
        for line in child.stdout:
            told = json.loads(line)
            result = told.get("result", result)
            if progress is not None and "page" in told:
                progress(told["page"])
        child.wait()
    except BaseException:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()  # it ends well: the page under way is finished and everything written
        try:
            child.wait()
        except KeyboardInterrupt:
            child.kill()
        raise
    finally:
        child.stdout.close()
    return result
