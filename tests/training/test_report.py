"""The report tells a run, whatever of it is there, and loads nothing from anywhere."""

import base64
import io
import json
import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from training.charts import CHARTS
from training.checkpoint import Checkpoint
from training.config import PRESETS
from training.film import MOST_FRAMES
from training.metrics_file import Span, read_metrics
from training.report import write_report

READINGS = {
    "d_loss": 1.3,
    "g_loss": 0.8,
    "d_real": 0.6,
    "d_fake": 0.4,
    "d_real_accuracy": 0.7,
    "d_fake_accuracy": 0.65,
    "g_gradient_norm": 0.5,
    "diversity": 0.9,
    "generator_pace": 1.0,
    "discriminator_pace": 1.3,
    "g_rate": 1.0,
    "d_rate": 0.5,
    "frechet_ratio": 20.0,
    "recognised_as_asked": 0.9,
}


class Page(HTMLParser):
    """What a browser would see of a report."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    def frames(self) -> list[str]:
        return [str(image["alt"]) for image in self.all("img") if str(image["alt"]).startswith("Fakes after")]


def new_run(**options: Any) -> Checkpoint:
    config = PRESETS["default"].with_options({"milestone_images": 1000, "dataset": "mnist"} | options)
    return Checkpoint(config, "my-run", source_commit="abcdef")


def write_metrics(path: Path, *entries: dict[str, Any], torn: str = "") -> None:
    (path / "metrics.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries) + torn)


def write_sheets(path: Path, *names: str, colour: int = 128) -> None:
    (path / "sheets").mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (302, 302), (colour, colour, colour)).save(path / "sheets" / f"{name}.png")


def page_of(run: Checkpoint, path: Path, epoch_images: int | None = None) -> Page:
    report = write_report(run, path, epoch_images)
    assert report == path / "report.html"
    return Page(report.read_text())


@pytest.fixture
def whole_run(tmp_path: Path) -> Checkpoint:
    """A finished run with everything, in `tmp_path`."""
    run = new_run()
    run.images_seen, run.elapsed_s, run.finished = 3000, 75.0, True
    run.quality = {"test_images": 10_000, "frechet_ratio": 8.4, "recognised_as_asked": 0.973, "auroc": 0.97, "new": 1.5}
    run.best = {"images_seen": 2048, "frechet_ratio": 12.0}
    readings = [{"images": images, **READINGS} for images in (512, 1024, 2048, 3000)]
    event = {"images": 1100, "event": "discriminator_too_strong", "text": "its learning rate is halved"}
    write_metrics(tmp_path, *readings, event, {"images": 2000, "event": "balanced", "text": "in balance"})
    write_sheets(tmp_path, "real", "0001", "0002", "0003", "final")
    return run


def test_a_whole_run_is_told(whole_run: Checkpoint, tmp_path: Path) -> None:
    page = page_of(whole_run, tmp_path)
    for text in (
        "my-run",
        "abcdef",
        "trained in",
        "1 min 15 s",
        "8.4 × floor",
        "97.3%",
        "0.97",
        "its learning rate is halved",
    ):
        assert text in page.text
    assert {figure["id"] for figure in page.all("figure") if "id" in figure} == {f"chart-{c.name}" for c in CHARTS}
    assert len([rect for rect in page.all("rect") if "discriminator_too_strong" in str(rect["class"])]) == 6
    assert [circle for circle in page.all("circle") if circle["class"] == "best"]
    assert not list(tmp_path.glob("*.partial"))


def test_the_report_loads_nothing_from_anywhere(whole_run: Checkpoint, tmp_path: Path) -> None:
    page = page_of(whole_run, tmp_path)
    sources = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert sources
    assert all(str(source).startswith("data:image/png;base64,") for source in sources)
    html = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?:|@import|url\(", html)
    assert not page.all("link")
    policies = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert str(policies[0]).startswith("default-src 'none'")


def test_every_sheet_is_in_the_film(whole_run: Checkpoint, tmp_path: Path) -> None:
    page = page_of(whole_run, tmp_path)
    assert page.frames() == [
        "Fakes after 1,000 images · Fréchet 20 × floor",
        "Fakes after 2,000 images · Fréchet 20 × floor",
        "Fakes after 3,000 images · Fréchet 20 × floor",
    ]
    assert len(page.all("mark")) == 1  # the best


def test_a_frame_looks_as_its_sheet(tmp_path: Path) -> None:
    write_sheets(tmp_path, "0001", colour=200)
    page_of(new_run(), tmp_path)
    write_sheets(tmp_path, "0001", colour=60)  # the part was run again
    os.utime(tmp_path / "sheets" / "0001.png", ns=(1, 1))
    frame = next(image for image in page_of(new_run(), tmp_path).all("img") if "Fakes" in str(image["alt"]))
    picture = Image.open(io.BytesIO(base64.b64decode(str(frame["src"]).partition(",")[2]))).convert("L")
    assert picture.size == (302, 302)
    assert picture.getpixel((150, 150)) == pytest.approx(60, abs=9)


def test_a_long_film_keeps_its_first_last_and_best_frames(tmp_path: Path) -> None:
    run = new_run()
    run.best = {"images_seen": 98_048}
    write_sheets(tmp_path, *(f"{number:04d}" for number in range(1, 201)))
    frames = page_of(run, tmp_path).frames()
    assert MOST_FRAMES / 2 < len(frames) <= MOST_FRAMES + 2
    assert {f"Fakes after {number},000 images" for number in (1, 98, 200)} <= set(frames)


def test_the_best_snapshot_of_the_last_step_is_no_milestones(whole_run: Checkpoint, tmp_path: Path) -> None:
    whole_run.best = {"images_seen": 2900}
    assert not page_of(whole_run, tmp_path).all("mark")


def test_milestones_that_are_epochs_are_counted_as_such(tmp_path: Path) -> None:
    write_sheets(tmp_path, "0001", "0002")
    run = new_run(milestone_images=None)
    assert page_of(run, tmp_path).frames() == ["Fakes after epoch 1", "Fakes after epoch 2"]
    assert page_of(run, tmp_path, epoch_images=55_000).frames()[1] == "Fakes after 110,000 images"


def test_a_run_that_has_not_begun_is_told(tmp_path: Path) -> None:
    page = page_of(new_run(), tmp_path)
    assert "not finished" in page.text
    assert "Nothing was measured yet." in page.text
    assert "No readings yet." in page.text
    assert not page.all("img")


def test_an_unfinished_run_tells_its_last_milestone(tmp_path: Path) -> None:
    write_sheets(tmp_path, "real", "0001")
    write_metrics(
        tmp_path, {"images": 1024, "frechet_ratio": 33.0}, {"images": 1050, "d_loss": 1.0}, torn='{"images": 2'
    )
    page = page_of(new_run(), tmp_path)
    assert "33 × floor" in page.text
    assert "the milestone after 1,024 images" in page.text
    assert "The digits so far" in page.text
    assert {figure["id"] for figure in page.all("figure") if "id" in figure} == {"chart-losses", "chart-quality"}


def test_a_torn_sheet_is_left_out(tmp_path: Path) -> None:
    write_sheets(tmp_path, "0001", "0002")
    whole = (tmp_path / "sheets" / "0002.png").read_bytes()
    (tmp_path / "sheets" / "0002.png").write_bytes(whole[: len(whole) // 2])
    assert page_of(new_run(), tmp_path).frames() == ["Fakes after 1,000 images"]


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e-30, 1e30])
def test_every_chart_copes_with_constant_and_extreme_values(value: float, tmp_path: Path) -> None:
    readings = [{"images": images, **dict.fromkeys(READINGS, value)} for images in (0, 100)]
    write_metrics(tmp_path, *readings, {"images": 100, "d_loss": math.nan, "g_loss": math.inf})
    html = write_report(new_run(), tmp_path).read_text()
    assert "nan" not in "".join(re.findall(r'points="([^"]*)"', html))


def test_many_readings_make_no_large_report(tmp_path: Path) -> None:
    write_metrics(tmp_path, *({"images": 128 * step, **READINGS, "d_loss": step % 7} for step in range(5000)))
    report = write_report(new_run(), tmp_path)
    assert report.stat().st_size < 200_000
    assert 'class="band real"' in report.read_text()  # what the thinned curve leaves out


def test_markup_in_names_and_texts_is_only_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    run = new_run(preset=evil)
    run.run_id, run.source_commit = evil, evil
    run.quality = {evil: 1.0}
    write_metrics(tmp_path, {"images": 5, "event": evil, "text": evil}, {"images": 9, "d_loss": 1.0, evil: 2.0})
    page = page_of(run, tmp_path)
    assert len(page.all("script")) == 1  # the report's own
    assert not page.all("img")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert evil in page.text


def test_what_differs_from_the_preset_is_marked(tmp_path: Path) -> None:
    page = page_of(new_run(seed=7), tmp_path)
    assert len([row for row in page.all("tr") if row.get("class") == "changed"]) == 2  # the seed and the milestones
    assert "preset: 100,000" in page.text
    assert "seed of the weights, the data order and the latents" in page.text


def test_only_what_can_be_read_of_the_metrics_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"images": 200, "d_loss": 2.0}\n[1]\n{"d_loss": 9}\n{"images": 100, "d_loss": 1.0, "name": "x", "on": true}\n'
        '{"images": 300, "d_loss": NaN}\n\xff\n{"images": 100, "d_loss": 1.5}\n{"images": 400, "d_lo',
        encoding="latin-1",
    )
    metrics = read_metrics(path)
    assert metrics.curves.keys() == {"d_loss"}
    assert metrics.curves["d_loss"].images == (100, 200)
    assert metrics.curves["d_loss"].values == (1.5, 2.0)
    assert read_metrics(tmp_path / "nothing").images_seen == 0


def test_an_imbalance_lasts_until_another_begins_or_it_is_said_to_end(tmp_path: Path) -> None:
    kinds = (
        (10, "mode_collapse"),
        (20, "mode_collapse"),
        (25, "pace"),
        (30, "divergence"),
        (40, "recovered"),
        (50, "mode_collapse"),
    )
    events = [{"images": images, "event": kind, "text": ""} for images, kind in kinds]
    write_metrics(tmp_path, *events, {"images": 60, "d_loss": 1.0})
    assert read_metrics(tmp_path / "metrics.jsonl").imbalances() == [
        Span(10, 30, "mode_collapse"),
        Span(30, 40, "divergence"),
        Span(50, 60, "mode_collapse"),
    ]
