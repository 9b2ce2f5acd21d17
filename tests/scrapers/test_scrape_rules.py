"""What needs no server: addresses, waits, targets, the user agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from scrapers.middlewares import is_public, seconds_to_wait
from scrapers.settings import user_agent
from scrapers.spiders.gutenberg import Gutenberg
from textxfer.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
    ],
)
def test_public_addresses(address, public):
    assert is_public(address) == public


def test_seconds_to_wait():
    assert seconds_to_wait("7", 0) == 7.0
    assert [seconds_to_wait("", n) for n in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert seconds_to_wait("soon", 0) == 2.0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < seconds_to_wait(soon, 0) <= 90
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT", 0) == 0.0


@pytest.mark.parametrize(
    "target", ["120", " #120", "https://www.gutenberg.org/ebooks/120", "https://gutenberg.org/ebooks/120/"]
)
def test_gutenberg_targets(target):
    assert Gutenberg.url(target) == "https://www.gutenberg.org/cache/epub/120/pg120.txt"


def test_a_mirror_is_taken_as_it_is():
    assert Gutenberg.url("https://mirror.example/120.txt#top") == "https://mirror.example/120.txt"


@pytest.mark.parametrize("contact", ["a\r\nX-Evil: 1", "ä@example.org", "a) (b"])
def test_a_contact_that_fits_in_no_header(contact):
    with pytest.raises(ConfigError, match="is no mail address or URL in plain ASCII"):
        user_agent(contact)
