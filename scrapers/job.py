"""One crawl in a process of its own: a reactor cannot be started twice. Run by ``scrapers.run``.

The first line of stdin is the job; the crawl ends early, and well, when stdin
does: by Ctrl-C, or because whoever asked for it is gone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from scrapy.crawler import AsyncCrawlerProcess

from scrapers.settings import settings
from scrapers.spiders import sites

__all__ = ["main"]


def _stop_when_left() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    job = json.loads(sys.stdin.readline())
    targets = job.pop("targets")
    spider = sites.get(job["site"])
    process = AsyncCrawlerProcess(settings(**job | {"out": Path(job["out"])}))
    crawler = process.create_crawler(spider)
    process.crawl(crawler, targets=targets)
    threading.Thread(target=_stop_when_left, daemon=True).start()
    process.start()
    done = crawler.spider
    if done is None:  # it never began; the log says why
        sys.exit(1)
    rejected = [[r.name, r.reason] for r in done.rejected]  # type: ignore[attr-defined]
    result = {"new": done.new, "pages": done.pages, "rejected": rejected}  # type: ignore[attr-defined]
    print(json.dumps({"result": result}), flush=True)


if __name__ == "__main__":
    main()
