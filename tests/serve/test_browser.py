"""A person at the page: Chromium, the real server, the real store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM.exists() and DRIVER.exists()) and "CI" not in os.environ,
    reason="Chromium and its driver are not installed: apt install chromium chromium-driver",
)


class Player:
    """What a person sees and does."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        browser.get(url)
        self.rest()

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def rest(self) -> None:
        """Until the story stands still."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 30, 0.05).until(lambda _: self.find("#story").get_attribute("aria-busy") == "false")

    def click(self, name: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        button = self.find(f"#{name}")
        WebDriverWait(self.browser, 30, 0.05).until(lambda _: button.is_enabled())
        button.click()

    def move(self, words: str, mode: str = "do") -> None:
        self.find(f"input[value={mode}]").click()
        self.find("#words").send_keys(words + "\n")
        self.until(lambda: self.find("#words").get_attribute("value") == "")
        self.rest()

    def until(self, true: Any) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 30, 0.05).until(lambda _: true())

    def actions(self) -> list[str]:
        """What the player did, all read at one moment."""
        script = "return [...document.querySelectorAll('#story .action, #story .mine')].map(e => e.textContent)"
        return list(self.browser.execute_script(script))

    def text(self) -> str:
        return str(self.browser.execute_script("return document.querySelector('#story').innerText"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield chromium
    chromium.quit()


@pytest.fixture
def player(browser: Any, live: Any) -> Player:
    browser.get("about:blank")
    return Player(browser, live.url)


def test_three_turns_an_undo_and_a_reload(player: Player) -> None:
    player.click("open-shelf")
    player.click("open-new")
    player.find("#new textarea").send_keys("A gate stands in the mist.")
    player.find("#new [type=submit]").click()
    player.until(lambda: "A gate stands in the mist." in player.text())
    player.rest()
    player.move("open the gate")
    player.move("Who is there?", "say")
    player.move("The mist lifts and", "story")
    assert player.actions() == ["Open the gate", 'Say "Who is there?"', "The mist lifts and"]
    player.click("undo")
    player.until(lambda: len(player.actions()) == 2)
    text = player.text()
    player.browser.refresh()
    player.rest()
    assert player.text() == text
    assert player.find("#title").text == "Open the gate"
    player.click("redo")
    player.until(lambda: player.actions()[2:] == ["The mist lifts and"])
    player.browser.get(player.browser.current_url.split("#")[0])  # without its address: the last one read here
    player.rest()
    assert len(player.actions()) == 3
    assert [entry for entry in player.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_last_passage_is_edited_and_told_anew(player: Player) -> None:
    player.move("knock")
    player.click("edit")
    player.find(".editor textarea").clear()
    player.find(".editor textarea").send_keys("Nobody answers.")
    player.find(".editor [type=submit]").click()
    player.until(lambda: player.text().endswith("Nobody answers."))
    player.rest()
    player.click("retry")
    player.until(lambda: "Nobody answers." not in player.text())
    player.rest()
    assert player.actions()[-1] == "Knock"
    before = len(player.actions())
    player.click("continue")
    player.rest()
    assert len(player.actions()) == before


def test_a_turn_is_stopped_and_an_error_is_told(player: Player, patient: Any) -> None:
    game, kept = patient.game, patient.game.world
    bias = tuple((token, float(value)) for token, value in patient.endless()["logit_bias"].items())
    game.world = replace(kept, sampling=replace(kept.sampling, max_tokens=8000, logit_bias=bias))
    try:
        other = Player(player.browser, patient.url)
        other.find("#words").send_keys("wait\n")
        other.until(lambda: other.find("#stop").is_displayed() and other.find("#story .new"))
        other.find("#stop").click()
        other.rest()
        assert other.actions() == ["Wait"]
        story = other.browser.current_url.split("#")[1]
        other.browser.execute_script("window.fetch = () => Promise.reject(new TypeError('gone'))")
        other.find("#words").send_keys("go on\n")
        other.until(lambda: other.find("#trouble").is_displayed())
        assert other.find("#trouble p").text == "The server cannot be reached."
        assert other.find("#words").get_attribute("value") == "go on"
        assert other.browser.current_url.endswith(story)
    finally:
        game.world = kept


def test_nothing_is_too_wide_or_too_small_on_a_phone(player: Player) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    player.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        player.move("supercalifragilistic" * 8)
        script = "return document.documentElement.scrollWidth"
        assert player.browser.execute_script(script) == 390
        small = player.browser.execute_script(
            "return [...document.querySelectorAll('button, fieldset label, textarea')].filter(e => e.offsetParent)"
            ".filter(e => Math.min(e.offsetWidth, e.offsetHeight) < 44).map(e => e.id || e.textContent)"
        )
        assert small == []
        fonts = player.browser.execute_script(
            "return [...document.querySelectorAll('input, textarea')].map(e => getComputedStyle(e).fontSize)"
        )
        assert min(float(size.removesuffix("px")) for size in fonts) >= 16
    finally:
        player.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
