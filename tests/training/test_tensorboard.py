"""TensorBoard shows the same as the report: the charts, the sheets and the events."""

from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from torch.utils.tensorboard import SummaryWriter

from training.charts import CHARTS, tensorboard_layout
from training.config import PRESETS
from training.run_folder import RunFolder


def test_the_charts_are_those_of_the_report(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_custom_scalars(tensorboard_layout())
    summary = EventAccumulator(str(tmp_path)).Reload().Tensors("custom_scalars__config__")[0]
    layout = layout_pb2.Layout.FromString(summary.tensor_proto.string_val[0])
    charts = {chart.title: list(chart.multiline.tag) for category in layout.category for chart in category.chart}
    assert charts["Losses"] == ["^d_loss$", "^g_loss$"]
    assert list(charts) == [chart.title for chart in CHARTS]


def test_sheets_and_events_are_there_at_their_moment(tmp_path: Path) -> None:
    with RunFolder(tmp_path, PRESETS["default"]) as folder:
        folder.save_sheet("0001", torch.zeros(100, 784), 1024)
        folder.log_event(1100, "mode_collapse", "mode collapse: much the same image")
    events = EventAccumulator(str(tmp_path)).Reload()
    (image,) = events.Images("sheet")
    assert (image.step, image.width, image.height) == (1024, 302, 302)
    (text,) = events.Tensors("events/text_summary")
    assert text.step == 1100
    assert b"much the same image" in text.tensor_proto.string_val[0]
