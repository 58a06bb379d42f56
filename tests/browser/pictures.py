"""The pictures of all scenes in docs/images: wide and narrow, light and dark, of a page with --allow-training.

make demo DEMO_ARGS=--allow-training &
python -m tests.browser.pictures http://127.0.0.1:8080
"""

import argparse
import io

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.processes import ROOT

THREE = "C1BLbjeWPKVajH1uh5aRr6-g3G7rS9c"  # strokes of a drawing's link
DESK, PHONE = (1280, 800), (360, 800)
GAP, GROUND = 24, (150, 160, 176)
SHARE, QUALITY = 0.75, 70  # of the size that was shown; of WebP
IMAGES = 10_000  # of the run that is shown
PATIENCE_MS = 600_000  # with it
# What of a scene the wide windows show, and the narrow ones.
SCENES = {
    "wall": ("#/wall?seed=7", "#/wall?seed=7&open=13"),
    "walk": ("#/walk?from=7/3&to=7/48&step=20",) * 2,
    "draw": (f"#/draw?strokes={THREE}",) * 2,
    "game": ("#/game?game=5",) * 2,
    "school": ("#/school?chapter=3",) * 2,
    "train": ("#/train",) * 2,
}
# What wide and narrow windows are scrolled to, where it is not the beginning.
BELOW = {"school": (".school-chapters", ".school-bench"), "train": (".train-watch",) * 2}
HEADS = (76, 110)  # pixels above it


def picture(browser: Browser, address: str, scene: str, size: tuple[int, int], theme: str) -> Image.Image:
    """What a window of this size shows."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        locale="en-US",
        reduced_motion="reduce",
    )
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/{SCENES[scene][size == PHONE]}", wait_until="commit")
    page.wait_for_selector("html[data-ready]")
    if scene in ("draw", "wall") and SCENES[scene][size == PHONE] != "#/wall?seed=7":
        page.wait_for_selector(".bars")
    if scene == "train":
        page.wait_for_selector(".train-sheet canvas")
    if scene == "school":
        page.wait_for_selector('.school-stage[aria-busy="false"]')
    page.wait_for_timeout(2000)  # pictures that are drawn
    if scene in BELOW:
        is_phone = size == PHONE
        place = page.locator(BELOW[scene][is_phone])
        place.evaluate(f"place => scrollTo(0, place.getBoundingClientRect().top - {HEADS[is_phone]})")
        page.wait_for_timeout(200)
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return shown


def train(browser: Browser, address: str) -> None:
    """Have the page train, so that there is a run to be seen."""
    page = browser.new_page()
    if page.request.get(f"{address}/v1/training").json()["run"] is None:
        page.request.post(f"{address}/v1/training", data={"images": IMAGES})
    page.close()


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__.splitlines()[0])
    parser.add_argument("page", metavar="ADDRESS", help="of a running page, such as http://127.0.0.1:8080")
    parser.add_argument("--only", action="append", choices=SCENES, help="of this scene alone; may be repeated")
    return parser


def main() -> None:
    """Write them."""
    options = build_parser().parse_args()
    address = options.page
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        train(browser, address)
        for scene in options.only or SCENES:
            sheet = Image.new("RGB", (DESK[0] + PHONE[0] + 3 * GAP, 2 * DESK[1] + 3 * GAP), GROUND)
            for row, theme in enumerate(("light", "dark")):
                top = GAP + row * (DESK[1] + GAP)
                sheet.paste(picture(browser, address, scene, DESK, theme), (GAP, top))
                sheet.paste(picture(browser, address, scene, PHONE, theme), (2 * GAP + DESK[0], top))
            path = ROOT / "docs/images" / f"page-{scene}.webp"
            size = round(sheet.width * SHARE), round(sheet.height * SHARE)
            sheet.resize(size, Image.Resampling.LANCZOS).save(path, quality=QUALITY, method=6)
            print(f"{path}: {path.stat().st_size:,} bytes", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
