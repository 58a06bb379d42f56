"""The course of the learning rates."""

import math


def learning_rate_factor(course: str, progress: float) -> float:
    """What the learning rate is multiplied with at a progress from 0 to 1: `none` stays at 1, `cosine` falls to 0."""
    if course == "none":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
