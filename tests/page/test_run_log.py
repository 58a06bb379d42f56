"""A run's folder, read while the trainer writes it."""

import json
from pathlib import Path

from page.run_log import Entry, RunLog


def line(images: int, **more: object) -> str:
    return json.dumps({"images": images, **more}) + "\n"


def test_folder_that_is_not_there_yet_has_no_news(tmp_path: Path) -> None:
    assert RunLog(tmp_path / "run").news() == []


def test_each_line_is_told_once_and_whole(tmp_path: Path) -> None:
    metrics, log = tmp_path / "metrics.jsonl", RunLog(tmp_path)
    metrics.write_text(line(10) + line(20, event="watchdog")[:9])
    assert log.news() == [Entry("metrics", {"images": 10})]
    assert log.news() == []
    metrics.write_text(line(10) + line(20, event="watchdog"))
    assert log.news() == [Entry("word", {"images": 20, "event": "watchdog"})]


def test_run_that_was_set_back_is_told_from_where_it_goes_on(tmp_path: Path) -> None:
    metrics, log = tmp_path / "metrics.jsonl", RunLog(tmp_path)
    metrics.write_text(line(10) + line(20) + line(30))
    log.news()
    anew = tmp_path / "anew"
    anew.write_text(line(10) + line(20, event="rewound"))
    anew.replace(metrics)
    assert log.news() == [Entry("rewound", {"images": 10}), Entry("word", {"images": 20, "event": "rewound"})]


def test_newest_sheet_is_the_one_of_the_highest_number(tmp_path: Path) -> None:
    log, sheets = RunLog(tmp_path), tmp_path / "sheets"
    sheets.mkdir()
    for name in ("0000000009.png", "0000000010.png", "other.png"):
        (sheets / name).touch()
    assert log.news() == [Entry("sheet", {"number": 10})]
    assert log.sheet == sheets / "0000000010.png"
