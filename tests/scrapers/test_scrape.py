"""Stories gathered from a real server on loopback, by the library and by the command."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scrapers.run import scrape
from textxfer.corpus.read import Rejected, read
from textxfer.errors import ConfigError
from textxfer.story import Story

PAGES = Path(__file__).parent.parent / "sites" / "pages"


def gather(site, name, *paths, out, **options):
    options = {"allow_private": True, "delay": 0.0} | options
    return scrape(name, [p if "://" in p else site.url + p for p in paths], out, **options)


def stories(out) -> list[Story]:
    return [Story.from_json(json.loads(line)) for line in (out / "stories.jsonl").read_text("utf-8").splitlines()]


def graph(story: Story) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    return {p.id: (p.text, [(c.text, c.to) for c in p.choices]) for p in story.passages.values()}


def textxfer(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "textxfer", *map(str, words)], capture_output=True, text=True)


def test_twine_pages_node_for_node(site, tmp_path):
    result = gather(site, "twine", "/harbour.html", "/ferry.html", "/plain.html", out=tmp_path)
    harbour, ferry = stories(tmp_path)
    assert (harbour.id, harbour.start) == ("the-harbour-lamp", "Gate")
    assert graph(harbour) == {
        "Quay": (
            "The quay is wet & the lamp is out.",
            [("Light it", "Lamp {lit}"), ("Climb the tower", "Tower"), ("Sleep", "Quay")],
        ),
        "Gate": ("You stand at the gate.\n:: It creaks.", [("Quay", "Quay")]),
        "Tower": ("From the tower you see a sail, and you wait for it.", []),
        "Lamp {lit}": ("The lamp burns. Go back to the gate when you like, it says.", [("gate", "Gate")]),
    }
    assert (ferry.id, ferry.start) == ("the-ferry", "Start")
    assert graph(ferry) == {
        "Start": ("The ferry waits.\nIts rope is a \\ of hemp.", [("Go aboard", "Deck"), ("Shore", "Shore")]),
        "Deck": ("The deck sways <gently>.", []),
        "Shore": ("You stay on the shore and count the gulls until evening.", []),
    }
    assert (harbour.source.title, harbour.source.author) == ("The Harbour Lamp", "A. Keeper")
    assert harbour.source.licence == "https://creativecommons.org/licenses/by/4.0/"
    assert harbour.source.url == f"{site.url}/harbour.html"
    assert harbour.source.sha256 == hashlib.sha256((PAGES / "harbour.html").read_bytes()).hexdigest()
    assert (ferry.source.author, ferry.source.licence) == ("B. Rower", "unknown")
    dead = "the choice 'Swim away' of 'Gate' leads to 'Sea', which names no passage"
    assert result.rejected == [
        Rejected(f"{site.url}/harbour.html", dead),
        Rejected(
            f"{site.url}/plain.html",
            "it holds no Twine story (no <tw-storydata>, no storeArea); a story in a frame has a URL of its own",
        ),
    ]
    assert (result.stories, result.pages, result.total) == (2, 3, 2)
    assert [s.id for s in read(tmp_path).stories] == ["the-harbour-lamp", "the-ferry"]
    sheet = (tmp_path / "_datasheet.md").read_text("utf-8")
    assert "2 stories in `stories.jsonl`" in sheet
    assert "- 1 × https://creativecommons.org/licenses/by/4.0/\n- 1 × unknown" in sheet
    assert f"- {site.url}/harbour.html: {dead}" in sheet


def test_a_gutenberg_text_after_the_wait_that_the_site_asks_for(site, tmp_path):
    result = gather(site, "gutenberg", "/busy.txt", out=tmp_path, contact="me@example.org")
    (story,) = stories(tmp_path)
    assert story.id == "the-small-island"
    assert graph(story)["start"][0] == (
        "CHAPTER I\n\nWe came to the island in the evening, when the tide was out and the boats lay on the sand, "
        "and nobody met us but a dog.\n\n“Stay,” said my brother."
    )
    assert (story.source.title, story.source.author) == ("The Small Island", "C. Wright")
    assert story.source.licence.startswith("Project Gutenberg: public domain in the United States")
    (first, _), (second, _) = [t for t in site.times if t[1] == "/busy.txt"]
    assert 1.0 <= second - first < 10
    assert result.pages == 2
    (agent,) = site.agents
    assert agent.startswith("textxfer/") and agent.endswith("(story scraper; contact: me@example.org)")


def test_the_chapters_of_a_standard_ebook_in_order(site, tmp_path):
    gather(site, "standardebooks", "/ebooks/d-potter/the-kiln", "/kiln/chapter-2.xhtml", out=tmp_path)
    chapter, book = sorted(stories(tmp_path), key=lambda s: s.id)
    assert graph(book)["start"][0] == (
        "Part One\n\nI: Clay\n\nThe clay was cold, and the wheel slow.\n\nTurn, wheel,\nturn.\n\n"
        "II\n\nThe fire was hot."
    )
    assert (book.id, book.source.title, book.source.author) == ("the-kiln", "The Kiln", "D. Potter")
    assert book.source.url == f"{site.url}/ebooks/d-potter/the-kiln"
    assert book.source.licence.startswith("CC0 1.0 (Standard Ebooks)")
    assert (chapter.id, graph(chapter)["start"][0]) == ("ii", "II\n\nThe fire was hot.")


def test_a_second_run_fetches_nothing_twice_and_tries_again_what_failed(site, tmp_path):
    first = gather(site, "gutenberg", "/island.txt", "/flaky.txt", out=tmp_path)
    assert first.rejected == [Rejected(f"{site.url}/flaky.txt", f"{site.url}/flaky.txt answered 404 Not Found")]
    second = gather(site, "gutenberg", "/island.txt", "/flaky.txt", out=tmp_path)
    same = Rejected(f"{site.url}/flaky.txt", f"has the same bytes as {site.url}/island.txt")
    assert (second.stories, second.pages, second.rejected, second.total) == (0, 1, [same], 1)
    assert (site.asked["/island.txt"], site.asked["/flaky.txt"]) == (1, 2)
    lines = (tmp_path / "_rejected.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"name": same.name, "reason": same.reason}]
    third = gather(site, "gutenberg", "/island.txt", "/flaky.txt", out=tmp_path)
    assert (third.pages, third.rejected) == (0, [])


def test_after_a_kill_pages_are_fetched_again_but_no_story_is_kept_twice(site, tmp_path):
    gather(site, "twine", "/ferry.html", out=tmp_path)
    whole = (tmp_path / "stories.jsonl").read_bytes()
    (tmp_path / "_job" / "twine" / "seen.json").unlink()
    (tmp_path / "stories.jsonl").write_bytes(whole + b'{"id": "half')
    result = gather(site, "twine", "/ferry.html", out=tmp_path)
    assert (result.stories, result.pages, result.rejected) == (0, 1, [])
    assert (tmp_path / "stories.jsonl").read_bytes() == whole


def test_max_pages_stops_and_the_same_call_goes_on(site, tmp_path):
    paths = ("/harbour.html", "/ferry.html")
    assert gather(site, "twine", *paths, out=tmp_path, max_pages=1).pages == 1
    assert [s.id for s in stories(tmp_path)] == ["the-harbour-lamp"]
    assert gather(site, "twine", *paths, out=tmp_path, max_pages=1).pages == 1
    assert [s.id for s in stories(tmp_path)] == ["the-harbour-lamp", "the-ferry"]
    assert (site.asked["/harbour.html"], site.asked["/ferry.html"]) == (1, 1)


def test_robots_redirects_and_a_site_that_wants_to_be_left_alone(site, tmp_path):
    result = gather(site, "twine", "/private/diary.html", "/moved.html", "/closed.txt", out=tmp_path)
    assert {r.name.removeprefix(site.url): r.reason.replace(site.url, "") for r in result.rejected} == {
        "/private/diary.html": "the site's robots.txt forbids /private/diary.html",
        "/closed.txt": "/closed.txt answered 503 and asks to wait 86400 seconds; give the same command again later",
        "/moved.html": "the choice 'Swim away' of 'Gate' leads to 'Sea', which names no passage",
    }
    assert "/private/diary.html" not in site.asked
    assert site.asked["/robots.txt"] == 1
    assert [s.source.url for s in stories(tmp_path)] == [f"{site.url}/moved.html"]


def test_loopback_is_refused_by_address_and_by_name(site, tmp_path):
    port = site.url.rpartition(":")[2]
    targets = (f"{site.url}/harbour.html", f"http://localhost:{port}/ferry.html", f"http://[::1]:{port}/x.html")
    result = gather(site, "twine", *targets, out=tmp_path, allow_private=False)
    said = "is this machine or its own network; --allow-private lets it in"
    assert {r.reason for r in result.rejected} == {
        f"{targets[0]} is refused: 127.0.0.1 {said}",
        f"{targets[1]} is refused: localhost (127.0.0.1) {said}",
        f"{targets[2]} is refused: ::1 {said}",
    }
    assert dict(site.asked) == {}


@pytest.mark.parametrize(
    ("site_name", "target", "said"),
    [
        ("twin", "https://example.org/", "There is no site 'twin'. Did you mean 'twine'?"),
        ("twine", "file:///etc/hosts", "'file:///etc/hosts' is refused: only http:// and https:// URLs are fetched."),
        ("twine", "http://[/", "'http://[/' is refused: only http:// and https:// URLs are fetched."),
        ("gutenberg", "alice", "'alice' is neither an ebook's number nor a URL; give 120 or https://….txt."),
    ],
)
def test_what_cannot_be_fetched_is_said_before_anything_is(tmp_path, site_name, target, said):
    with pytest.raises(ConfigError) as raised:
        scrape(site_name, [target], tmp_path / "out")
    assert str(raised.value).startswith(said)
    assert not (tmp_path / "out").exists()


def test_the_command_and_ctrl_c(site, tmp_path):
    """The first story is on disk when Ctrl-C comes, and the same command fetches only the second."""
    words = [sys.executable, "-m", "textxfer", "scrape", "twine", f"{site.url}/ferry.html", f"{site.url}/harbour.html"]
    words += ["--out", str(tmp_path), "--allow-private"]
    slow = subprocess.Popen([*words, "--delay", "3"], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while site.asked["/robots.txt"] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(slow.pid, signal.SIGINT)
    slow.communicate(timeout=60)
    assert slow.returncode == 130
    assert stories(tmp_path)[0].id == "the-ferry"
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"2 in {tmp_path}/stories.jsonl" in done.stdout
    assert (site.asked["/ferry.html"], site.asked["/harbour.html"]) == (1, 1)


def test_the_command_says_one_line(site, tmp_path):
    refused = textxfer("scrape", "twine", f"{site.url}/ferry.html", "--out", tmp_path)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert refused.stderr.startswith(f"textxfer: No new story: {site.url}/ferry.html is refused: 127.0.0.1 is this")
    listed = textxfer("scrape", "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["gutenberg", "standardebooks", "twine"]


def test_without_scrapy_one_line_names_what_to_install():
    code = (
        "import sys; sys.modules['scrapy'] = None; sys.argv = ['textxfer', 'scrape', '--list']\n"
        "from textxfer.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "textxfer: Scraping needs Scrapy; install it: pip install 'textxfer[scrape]'\n",
    )


def test_nothing_of_it_imports_torch_and_help_imports_no_scrapy():
    names = "job middlewares pipelines run seen settings spider spiders.gutenberg spiders.standardebooks spiders.twine"
    code = "import sys, textxfer.cli.main; assert 'scrapy' not in sys.modules; import importlib\n"
    code += f"for n in {names.split()}: importlib.import_module('scrapers.' + n)\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
