"""textxfer scrape: stories from sites, with where they came from and under which terms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def scrape(
    site: Annotated[str | None, typer.Argument(help="A site that --list names.")] = None,
    targets: Annotated[list[str] | None, typer.Argument(help="URLs, or ids that the site knows.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder; corpus/SITE if not given.")] = None,
    list_sites: Annotated[bool, typer.Option("--list", help="Name the sites and what they take.")] = False,
    contact: Annotated[
        str, typer.Option(envvar="TEXTXFER_CONTACT", help="Your mail address or page, told to the site.")
    ] = "",
    max_pages: Annotated[int | None, typer.Option(min=1, help="Requests that this run makes at most.")] = None,
    delay: Annotated[float, typer.Option(min=1.0, help="The fewest seconds between two requests.")] = 1.0,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also fetch from this machine and its own network.")
    ] = False,
) -> None:
    """Gather stories from a site; the same command again goes on where it stopped."""
    from scrapers import run
    from textxfer.errors import ConfigError, CorpusError

    if list_sites:
        for name, about in run.site_names():
            typer.echo(f"{name:<16}{about}")
        return
    if site is None:
        raise ConfigError("Which site? textxfer scrape SITE URL…; textxfer scrape --list names the sites.")
    folder = out or Path("corpus") / site
    result = run.scrape(
        site,
        targets or [],
        folder,
        contact=contact,
        allow_private=allow_private,
        max_pages=max_pages,
        delay=delay,
        progress=lambda url: typer.echo(f"  {url}"),
    )
    if result.rejected and not result.stories:
        first, more = result.rejected[0], len(result.rejected) - 1
        others = f" ({more} more in {folder / '_rejected.jsonl'})" if more else ""
        raise CorpusError(f"No new story: {first.reason}{others}.")
    for item in result.rejected:
        typer.echo(f"left out: {item.name}: {item.reason}")
    typer.echo(f"{result.stories} new stories from {result.pages} pages; {result.total} in {folder / 'stories.jsonl'}")
    typer.echo(f"look:   textxfer corpus stats {folder}")
