"""Holds both networks to a pace: by how much a step changes their weights.

A learning rate that is too high or too low for one of the two lets the other get too strong, and which one is to
blame cannot be read from the losses: a generator that races wrecks itself, and then its discriminator looks strong.
It can be read from the paces. The pace is the root mean square of a step's change, relative to that of the weights at
the start (how far a network may move at once depends on the size of its weights: Bernstein et al. 2020, "On the
distance between two neural networks and the stability of learning").

Adam's first step is as long as its learning rate, whatever the gradients are, and so tells the pace of the run. Where
that lies outside of a band around the pace at which the preset is known to train, the learning rate is corrected and
the step taken back. Later paces are only watched: they swing by a factor of two and more with bursts of the gradients,
and a governor that answered to those drove both rates up until the run was lost. A run that fails nevertheless goes
on with the faster network slowed down.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training.gan import Gan

NETWORKS = ("generator", "discriminator")
SLOWEST, FASTEST = 0.8, 1.25  # the band, in multiples of the known pace
LOOK_STEPS = 10  # steps between two looks
SMOOTHING = 0.8  # share of the earlier looks in the pace
AFTER_FAILURE = 0.5  # what the rate of the faster network is multiplied with when the run has failed


class Governor:
    """Corrects the learning rates of a pair.

    Args:
        gan: The pair, as it is before its first step.

    Attributes:
        rates: What the learning rate of each network is multiplied with, 1 at the start.
        paces: The smoothed pace of each governed network, in multiples of the known one; before the first look empty.
    """

    def __init__(self, gan: Gan) -> None:
        self._sizes = {name: _norm(_matrices(network)) for name, network in _networks(gan).items()}
        self._share = gan.config.step_size / gan.config.lr_batch_size if gan.config.lr_batch_size else 1.0
        self._before: dict[str, list[Tensor]] = {}
        self.known = {"generator": gan.config.generator_pace, "discriminator": gan.config.discriminator_pace}
        self.rates = dict.fromkeys(NETWORKS, 1.0)
        self.paces: dict[str, float] = {}
        self._told = dict(self.rates)

    def before_step(self, gan: Gan) -> None:
        """Keep the weights, where the coming step is one to look at."""
        if gan.steps % LOOK_STEPS == 0:
            self._before = {
                name: [matrix.clone() for matrix in _matrices(network)]
                for name, network in _networks(gan).items()
                if self.known[name]
            }

    def after_step(self, gan: Gan, schedules: Mapping[str, float]) -> None:
        """Look at what the step changed; a first step that was too long or too short is corrected and taken back.

        Args:
            gan: The pair after the step.
            schedules: What the schedules multiplied each learning rate with; the paces fall with them.
        """
        for name, before in self._before.items():
            after = _matrices(_networks(gan)[name])
            changes = [new - old for new, old in zip(after, before, strict=True)]
            # In multiples of the known pace, at the rate that the step was made with.
            pace = _norm(changes) / self._sizes[name] / (self.known[name] * schedules[name] * self._share**0.5)
            if gan.steps == 1 and not SLOWEST <= pace <= FASTEST and 0 < pace < math.inf:
                allowed = min(max(pace, SLOWEST), FASTEST)
                self.rates[name] = allowed / pace
                pace = allowed
                for matrix, old in zip(after, before, strict=True):
                    matrix.copy_(old)
            if not math.isfinite(pace):
                pace = math.inf
            self.paces[name] = SMOOTHING * self.paces[name] + (1 - SMOOTHING) * pace if name in self.paces else pace
        self._before = {}

    def after_failure(self) -> str:
        """Slow down the network that was the faster one by its own measure, or both; returns which, in words."""
        fastest = max(self.paces.values(), default=1.0)
        blamed = [name for name in NETWORKS if self.paces.get(name, 1.0) == fastest]
        for name in blamed:
            self.rates[name] *= AFTER_FAILURE
        self.paces = {}
        self._told = dict(self.rates)
        return " and the ".join(blamed)

    def news(self) -> str | None:
        """What has been corrected since the last time, in words."""
        sentences = []
        for name in NETWORKS:
            if self.rates[name] != self._told[name]:
                direction = "fast" if self.rates[name] < self._told[name] else "slow"
                sentences.append(f"the {name} was too {direction}: its learning rate is now {self.rates[name]:.2g} x")
        if sentences:
            self._told = dict(self.rates)
        return "; ".join(sentences) or None

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later look depends on."""
        return {
            "rates": dict(self.rates),
            "paces": dict(self.paces),
            "told": dict(self._told),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to the state that `state_dict` gave."""
        self.rates = dict(state["rates"])
        self.paces, self._told = dict(state["paces"]), dict(state["told"])


def _networks(gan: Gan) -> dict[str, nn.Module]:
    return {"generator": gan.generator, "discriminator": gan.discriminator}


def _matrices(network: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in network.parameters() if parameter.dim() > 1]


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors])))
