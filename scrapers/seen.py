"""What a crawl has fetched, kept from run to run; what failed is forgotten and so tried again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.dupefilters import BaseDupeFilter

__all__ = ["Seen"]


class Seen(BaseDupeFilter):
    """Fingerprints of requests by target, in ``seen.json`` of the job's folder.

    Written when the crawl ends well, Ctrl-C included: after a hard kill the
    requests of that run are made again, and the stories are told apart by their bytes.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._path = Path(crawler.settings["JOBDIR"]) / "seen.json"
        try:
            loaded = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            loaded = {}
        self._targets: dict[str, str] = loaded if isinstance(loaded, dict) else {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Seen:
        return cls(crawler)

    def request_seen(self, request: Request) -> bool:
        assert self._crawler.request_fingerprinter is not None
        fingerprint = self._crawler.request_fingerprinter.fingerprint(request).hex()
        if fingerprint in self._targets:
            return True
        self._targets[fingerprint] = request.meta["target"]
        return False

    def close(self, reason: str) -> None:
        failed: set[str] = getattr(self._crawler.spider, "failed", set())
        kept = {print: target for print, target in self._targets.items() if target not in failed}
        aside = self._path.with_suffix(".tmp")
        aside.write_text(json.dumps(kept), encoding="utf-8")
        os.replace(aside, self._path)

    def log(self, request: Request, spider: object) -> None:
        """Scrapy asks for this; what was seen is no news."""
