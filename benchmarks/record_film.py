"""Films the page for the README: digits that grow as a pair learns, the wall of served ones, a drawing that is scored.

Before each the commands are shown that do it, with all that they said: film_transcript.txt holds both, as they were run
one after the other with the shipped pair served. A run takes minutes, and its lines come faster here than there: the
caption says so. my-seven.png is the drawing that the film ends with.

It drives a page that is there, such as `make demo` starts, in Debian's Chromium, picture by picture: the film is as
smooth on a slow machine as on a fast one.

    make demo &
    python -m benchmarks.record_film http://127.0.0.1:8080
"""

import argparse
import io
import math
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
OUT = Path("docs/images/page.webp")
TRANSCRIPT = Path(__file__).with_name("film_transcript.txt")
WINDOW = (960, 600)  # of the browser, in its pixels
SIZE = (800, 500)  # of the film, without its caption
CAPTION = 36
STAGES = ("train", "serve", "score")
FRAME_MS, REST_MS = 90, 1_800  # of a picture, and of the last one of a stage
LINE_MS = 180  # of a line that a command says
OPENING_MS = 1_500  # of the last picture at the very beginning
TYPED = 6  # characters of a command for each picture
PAPER, INK, MUTED = "#f8fafb", "#162254", "#8793a8"
# What is said of a stage's commands, and of what the page shows after them.
CAPTIONS = {
    "train": ("time lapse of a run", "a run that was recorded before"),
    "serve": ("the shipped pair", "digits of seed 7"),
    "score": ("a generated 3, and a drawn 7", "the 7, as it is drawn"),
}
TERMINAL = """<style>
  body { margin: 0; overflow: hidden; background: #141a24; color: #e4e9f2 }
  pre { margin: 0; padding: 28px 32px; font: 15px/1.55 "Liberation Mono", monospace; white-space: pre-wrap }
  b { color: #93b5ff; font-weight: 400 }
</style><pre></pre>"""
# A seven as a hand draws it, in shares of the pad.
STROKE = [
    (0.27, 0.29),
    (0.40, 0.27),
    (0.55, 0.27),
    (0.71, 0.26),
    (0.63, 0.42),
    (0.54, 0.58),
    (0.48, 0.70),
    (0.44, 0.82),
]


class Film:
    """Pictures of the page, each under the name of its stage, and how long each is shown."""

    def __init__(self) -> None:
        self._font = ImageFont.load_default(18)
        self.pictures: list[Image.Image] = []
        self.durations_ms: list[int] = []

    def take(self, page: Page, stage: str, duration_ms: int = FRAME_MS, in_terminal: bool = False) -> None:
        """Add what the page shows now."""
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            picture = Image.new("RGB", (SIZE[0], SIZE[1] + CAPTION), PAPER)
            picture.paste(shot.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS), (0, CAPTION))
        draw, left = ImageDraw.Draw(picture), 20.0
        for name in STAGES:
            for text, colour in ((name, INK if name == stage else MUTED), ("    >    ", MUTED)):
                if name == STAGES[-1] and text != name:
                    break
                draw.text((left, 7), text, colour, font=self._font)
                left += draw.textlength(text, font=self._font)
        draw.text((SIZE[0] - 20, 7), CAPTIONS[stage][not in_terminal], MUTED, font=self._font, anchor="ra")
        self.pictures.append(picture)
        self.durations_ms.append(duration_ms)

    def open_with_its_end(self) -> None:
        """Put the last picture first: it is what is seen where films stand still."""
        self.pictures.insert(0, self.pictures[-1])
        self.durations_ms.insert(0, OPENING_MS)

    def save(self, path: Path) -> None:
        """Write an animated WebP that begins again at its end."""
        first, *rest = self.pictures
        first.save(path, save_all=True, append_images=rest, duration=self.durations_ms, loop=0, quality=62, method=5)


def main() -> int:
    """Film the page."""
    options = build_parser().parse_args()
    film = Film()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        width, height = WINDOW
        page = chromium.new_page(
            viewport={"width": width, "height": height}, reduced_motion="reduce", color_scheme="light", locale="en"
        )
        page.set_default_timeout(60_000)
        transcript = dict(zip(STAGES, TRANSCRIPT.read_text().strip().split("\n\n"), strict=True))
        for stage in (train, serve, score):
            terminal(page, transcript[stage.__name__], film, stage.__name__)
            stage(page, options.page, film)
        chromium.close()
    film.open_with_its_end()
    film.save(options.out)
    seconds = sum(film.durations_ms) / 1000
    print(f"{options.out}: {len(film.pictures)} pictures, {seconds:.0f} s, {options.out.stat().st_size / 1e6:.2f} MB")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record_film", description=__doc__.splitlines()[0])
    parser.add_argument("page", metavar="ADDRESS", help="of a running page, such as http://127.0.0.1:8080")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where to write (default: {OUT})")
    return parser


def terminal(page: Page, said: str, film: Film, stage: str) -> None:
    """Commands that are typed, and what they say, line by line; commands begin with $."""
    page.goto("about:blank")
    page.set_content(TERMINAL)
    add = """(pre, [text, isCommand]) => {
        pre.append(isCommand ? Object.assign(document.createElement("b"), { textContent: text }) : text);
        scrollTo(0, document.documentElement.scrollHeight);
    }"""
    shown = page.locator("pre")
    for line in said.split("\n"):
        is_command = line.startswith("$ ")
        step = TYPED if is_command else len(line) + 1
        for start in range(0, len(line) + 1, step):
            shown.evaluate(add, [f"{line}\n"[start : start + step], is_command])
            film.take(page, stage, FRAME_MS if is_command else LINE_MS, in_terminal=True)
    film.take(page, stage, REST_MS, in_terminal=True)


def train(page: Page, address: str, film: Film) -> None:
    """The same noise becomes digits, moment by moment."""
    page.goto(f"{address}/#/school?chapter=3&at=0")
    page.locator('.school-stage[aria-busy="false"]').wait_for()
    page.locator(".school-bench").evaluate("bench => scrollTo(0, bench.offsetTop - 80)")
    slider = page.locator(".school-player input")
    move = "(slider, moment) => { slider.value = moment; slider.dispatchEvent(new Event('input')); }"
    film.take(page, "train", 600)
    for moment in range(2, int(slider.get_attribute("max") or 0) + 1, 2):
        slider.evaluate(move, moment)
        film.take(page, "train")
    film.take(page, "train", REST_MS)


def serve(page: Page, address: str, film: Film) -> None:
    """Down the wall, faster and faster, and slowly to a halt."""
    page.goto(f"{address}/#/wall?seed=7")
    page.locator(".wall-row canvas").first.wait_for()
    page.mouse.move(4, WINDOW[1] / 2)  # beside the digits: none is to be chosen
    page.wait_for_timeout(2_000)
    film.take(page, "serve", 900)
    for turn in range(24):
        page.mouse.wheel(0, 70 * math.sin(math.pi * (turn + 1) / 25))
        page.wait_for_timeout(250)
        film.take(page, "serve")
    film.take(page, "serve", REST_MS // 2)


def score(page: Page, address: str, film: Film) -> None:
    """A digit drawn by hand, and the verdict on it as it grows."""
    page.goto(f"{address}/#/draw")
    pad = page.locator(".draw-pad canvas").first
    pad.wait_for()
    pad.evaluate("canvas => scrollTo(0, scrollY + canvas.getBoundingClientRect().top - 90)")
    box = pad.bounding_box()
    assert box is not None
    places = [(box["x"] + across * box["width"], box["y"] + down * box["height"]) for across, down in STROKE]
    film.take(page, "score", 600)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
        page.wait_for_timeout(400)
        film.take(page, "score", 2 * FRAME_MS)
    page.mouse.up()
    page.wait_for_timeout(4_000)
    film.take(page, "score", 2 * REST_MS)


if __name__ == "__main__":
    sys.exit(main())
