"""The course of the learning rates."""

import math


def learning_rate_factor(end: float, progress: float) -> float:
    """What the learning rate is multiplied with at a progress from 0 to 1: from 1 to `end` along half a cosine.

    (Loshchilov and Hutter 2017, "SGDR", without its restarts.)
    """
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
