"""The sites, one file a site.

@sites.register("gutenberg")
class Gutenberg(StorySpider): ...

A plugin registers its spider as an entry point of the group ``textxfer.sites``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textxfer.registry import Registry

if TYPE_CHECKING:
    from scrapers.spider import StorySpider

__all__ = ["sites"]

sites: Registry[type[StorySpider]] = Registry("site", package="scrapers.spiders", group="textxfer.sites")
