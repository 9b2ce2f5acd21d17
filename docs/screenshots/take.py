"""Pictures of the page: phone.png (390 x 844) and desk.png (1280 x 800).

    python docs/screenshots/take.py http://127.0.0.1:8000/#STORY [--folder docs/screenshots] [--dark]

Needs Chromium, its driver and selenium.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SIZES = {"phone": (390, 844, 2), "desk": (1280, 800, 1)}  # width, height, device pixels a CSS pixel
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


def browser(profile: str) -> webdriver.Chrome:
    """Chromium without a window, with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))


def take(url: str, folder: Path, dark: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(profile) as chromium:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        for name, (width, height, scale) in SIZES.items():
            size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": name == "phone"}
            chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            chromium.get("about:blank")
            chromium.get(url)
            WebDriverWait(chromium, 60).until(lambda c: c.find_element(By.CSS_SELECTOR, "#story[aria-busy=false] p"))
            time.sleep(0.5)  # the last of the animations
            chromium.save_screenshot(str(folder / f"{name}.png"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Pictures of the page at phone.png and desk.png.")
    parser.add_argument("url")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    parser.add_argument("--dark", action="store_true")
    asked = parser.parse_args()
    take(asked.url, asked.folder, asked.dark)
