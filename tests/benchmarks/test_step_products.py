"""The products of a step, timed alone."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.step_products import Recorder, products_s
from training.config import PRESETS


def test_every_product_is_taken_down_as_often_as_it_is_made() -> None:
    first, second = torch.randn(4, 8, requires_grad=True), torch.randn(8, 2, requires_grad=True)
    images, kernel = torch.randn(2, 1, 8, 8), torch.randn(3, 1, 3, 3, requires_grad=True)
    with Recorder() as recorder, FlopCounterMode(display=False):
        for _ in range(3):
            (first @ second).sum().backward()
        torch.nn.functional.conv2d(images, kernel).sum().backward()
    assert sorted(recorder.counts.values()) == [
        1,
        1,
        3,
        3,
        3,
    ]  # the convolution and its gradient; a product and its two


def test_they_take_time_and_less_of_it_than_the_steps_of_more_rows() -> None:
    config = PRESETS["default"].with_options({"bfloat16": False})
    few, many = (products_s(config, rows) for rows in (4, 128))
    assert 0 < few < many
