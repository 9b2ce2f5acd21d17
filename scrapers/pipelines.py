"""Stories to ``stories.jsonl``, what was left out to ``_rejected.jsonl``, and ``_datasheet.md`` about both."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from scrapy.crawler import Crawler

from scrapers.spider import StorySpider
from textxfer.corpus.clean import clean_line
from textxfer.corpus.read import Rejected
from textxfer.story import Story

__all__ = ["StoryFile", "count_stories"]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file of lines; what is none is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                loaded = json.loads(line)
            except ValueError:
                continue
            if isinstance(loaded, dict):
                yield loaded


def count_stories(out: Path) -> int:
    return sum(1 for _ in _lines(out / "stories.jsonl"))


def _end_at_a_line(path: Path) -> None:
    """Cuts off half a line that a killed run left."""
    with path.open("a+b") as file:
        file.seek(0)
        whole = file.read().rpartition(b"\n")
        if whole[2]:
            file.truncate(len(whole[0]) + len(whole[1]))


class StoryFile:
    """Appends each story once: bytes that came before, from wherever, are not kept again."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._out = Path(crawler.settings["STORIES_OUT"])
        self._urls: dict[tuple[str, str], str] = {}  # sha256 of the source, id of the story → its URL
        self._told: set[str] = set()  # URLs that gave a story in this run
        self._old: list[Rejected] = []
        self._file: TextIO | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> StoryFile:
        return cls(crawler)

    @property
    def _spider(self) -> StorySpider:
        assert isinstance(self._crawler.spider, StorySpider)
        return self._crawler.spider

    def open_spider(self) -> None:
        path = self._out / "stories.jsonl"
        _end_at_a_line(path)
        for story in _lines(path):
            source = story.get("source") or {}
            self._urls[str(source.get("sha256")), str(story.get("id"))] = str(source.get("url"))
        rejected = _lines(self._out / "_rejected.jsonl")
        self._old = [Rejected(str(r.get("name")), str(r.get("reason"))) for r in rejected]
        self._file = path.open("a", encoding="utf-8")

    def process_item(self, item: Story | Rejected) -> Story | Rejected:
        if isinstance(item, Rejected):
            self._spider.rejected.append(item)
            return item
        source = item.source
        self._told.add(source.url)
        before = self._urls.get((source.sha256, item.id))
        if before is not None:
            if before != source.url:
                self._spider.rejected.append(Rejected(source.url, f"has the same bytes as {before}"))
            return item
        self._urls[source.sha256, item.id] = source.url
        assert self._file is not None
        self._file.write(json.dumps(item.to_json(), ensure_ascii=False) + "\n")
        self._file.flush()
        self._spider.new += 1
        return item

    def close_spider(self) -> None:
        if self._file is not None:
            self._file.close()
        # What was said of a page in an earlier run is void once it was read again.
        now = self._spider.rejected
        read_again = self._told | {r.name for r in now}
        rejected = list(dict.fromkeys([*(r for r in self._old if r.name not in read_again), *now]))
        lines = [json.dumps({"name": r.name, "reason": r.reason}, ensure_ascii=False) + "\n" for r in rejected]
        _write(self._out / "_rejected.jsonl", "".join(lines))
        _write(self._out / "_datasheet.md", _datasheet(self._spider, self._out, rejected))


def _write(path: Path, text: str) -> None:
    aside = path.with_name(path.name + ".tmp")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def _datasheet(spider: StorySpider, out: Path, rejected: list[Rejected]) -> str:
    rows, licences = [], Counter[str]()
    for story in _lines(out / "stories.jsonl"):
        source = story.get("source") or {}
        licences[str(source.get("licence", "unknown"))] += 1
        cells = (source.get(key, "") for key in ("title", "author", "licence", "url", "fetched_at"))
        passages = story.get("passages", [])
        choices = sum(len(p.get("choices", ())) for p in passages)
        shown = [clean_line(str(cell)).replace("|", "\\|") for cell in cells]
        rows.append("| " + " | ".join([*shown, str(len(passages)), str(choices)]) + " |")
    agent = spider.settings["USER_AGENT"]
    parts = [
        f"# Stories gathered from {spider.name}",
        f"{len(rows)} stories in `stories.jsonl`, as they came: `textxfer corpus stats` says what of them can be used. "
        f"Fetched by `{agent}`, which obeys robots.txt. {spider.about}",
        "## Terms",
        "\n".join(f"- {count} × {clean_line(licence)}" for licence, count in licences.most_common()) or "- none",
        "Terms are what the pages say of themselves; *unknown* means: ask before you share it.",
        "## Stories",
        "\n".join(
            [
                "| title | author | licence | from | fetched | passages | choices |",
                "|---|---|---|---|---|--:|--:|",
                *rows,
            ]
        ),
        "## Left out",
        "\n".join(f"- {clean_line(r.name)}: {clean_line(r.reason)}" for r in rejected) or "- nothing",
    ]
    return "\n\n".join(parts) + "\n"
