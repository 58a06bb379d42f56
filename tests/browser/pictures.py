"""The page's pictures in docs/images, of a page that is running.

python -m tests.browser.pictures http://127.0.0.1:8080
"""

import io
import sys

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.processes import ROOT

THREE = "C1BLbjeWPKVajH1uh5aRr6-g3G7rS9c"  # strokes of a drawing's link
DESK, PHONE = (1280, 800), (360, 780)
GAP, GROUND = 24, (196, 204, 214)
COLOURS = 96
SHEETS = {
    "page-desk.png": [("#/wall?seed=7", DESK, "light"), (f"#/draw?strokes={THREE}", DESK, "dark")],
    "page-phone.png": [
        ("#/wall?seed=7&open=13", PHONE, "light"),
        ("#/walk?from=7/3&to=7/48&step=20", PHONE, "dark"),
        (f"#/draw?strokes={THREE}", PHONE, "light"),
        ("#/game?game=5", PHONE, "dark"),
    ],
}


def picture(browser: Browser, address: str, state: str, size: tuple[int, int], theme: str) -> Image.Image:
    """What a window of this size shows."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        is_mobile=size == PHONE,
        locale="en-US",
        reduced_motion="reduce",
    )
    page.goto(f"{address}/{state}")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)  # the last answer of the detector
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return shown


def main() -> None:
    """Write them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        for name, states in SHEETS.items():
            shown = [picture(browser, sys.argv[1], *state) for state in states]
            width = sum(each.width + GAP for each in shown) + GAP
            sheet = Image.new("RGB", (width, shown[0].height + 2 * GAP), GROUND)
            for place, each in enumerate(shown):
                sheet.paste(each, (GAP + place * (each.width + GAP), GAP))
            path = ROOT / "docs/images" / name
            sheet.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
            print(f"{path}: {path.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
