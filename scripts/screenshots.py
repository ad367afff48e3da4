"""Takes the picture of the demo town that README and docs show, by Chromium.

Usage: start `make run` in another terminal, wait until every state is to be seen, then
`make screenshots ARGS="http://127.0.0.1:8080/"` with the page that it printed. Writes docs/assets/town.png.
"""

import argparse
import os
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

TARGET = Path(__file__).resolve().parent.parent / "docs" / "assets" / "town.png"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
LIMIT_MS = 20_000


def main() -> int:
    """Takes the picture; 1 when the page cannot be reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", default="http://127.0.0.1:8080/", help="the page to take")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    wanted = parser.parse_args()
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=os.environ["SLOTWATCH_CHROMIUM"], args=FLAGS)
        try:
            page = chromium.new_page(viewport={"width": wanted.width, "height": wanted.height})
            page.goto(wanted.page, timeout=LIMIT_MS)
            page.screenshot(path=TARGET)
        except Error as error:
            first = str(error).splitlines()[0]
            print(f"screenshots: {wanted.page} cannot be taken ({first}). Is `make run` up?", file=sys.stderr)
            return 1
        finally:
            chromium.close()
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
