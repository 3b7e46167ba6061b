r"""Networks of all agents at once: weights ``[N, in, out]``, or ``[1, in, out]`` where the agents share them.

Both are one product over the batch of agents, :math:`h_i = \tanh(x_i W_i + b_i)`, without a loop over them. The first
bias is always each agent's own. Where the weights are shared it is what tells agents apart: a first layer that also
sees the agent's index, one-hot, has just such a bias.

Layers of hidden units end in tanh, the last one in nothing. First weights are orthogonal, with the gain 5/3 of tanh
and a gain of its own in the last layer; first biases are zero.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, final

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor, nn

from walras.core.checks import require
from walras.core.typing import Floats

GAIN = 5 / 3
"""Of the weights before a tanh."""

Layers = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
"""Weights ``[N or 1, in, out]`` and biases ``[N or 1, 1, out]`` of each layer."""


class Units(NamedTuple):
    """What a network subtracts from its inputs, and what it then divides them by."""

    centre: Floats  # [in]
    scale: Floats  # [in]

    def repeated(self, times: int) -> "Units":
        """Return the units of `times` such inputs one after the other."""
        return Units(np.tile(self.centre, times), np.tile(self.scale, times))


def raw_units(space: Any) -> Units:  # noqa: ANN401 - any space
    """Return units in which inputs stay as they are.

    Raises
    ------
    TypeError
        If `space` is not a Box of one dimension.
    """
    size = _flat(space).shape
    return Units(np.zeros(size), np.ones(size))


def unit_units(space: Any) -> Units:  # noqa: ANN401 - any space
    """Return units that take `space` to [-1, 1].

    An entry without finite bounds stays as it is; one whose bounds coincide becomes 0.

    Raises
    ------
    TypeError
        If `space` is not a Box of one dimension.
    """
    box = _flat(space)
    known = np.isfinite(box.low) & np.isfinite(box.high)
    low, high = (np.where(known, bound, end).astype(np.float64) for bound, end in ((box.low, -1.0), (box.high, 1.0)))
    return Units((low + high) / 2, np.where(high > low, (high - low) / 2, 1.0))


@final
class Network(nn.Module):
    """N networks of one shape, or one that N agents share.

    Parameters
    ----------
    units : Units
        Of the inputs.
    sizes : sequence of int
        Units of each layer after the inputs, the outputs last.
    agents : int
        N.
    networks : int
        N, or 1 if the agents share their weights.
    gain : float
        Of the last layer's first weights.
    draw : torch.Generator
        Draws the first weights.

    Raises
    ------
    ValueError
        If a size is not positive, or `networks` is neither 1 nor N.
    """

    def __init__(
        self, units: Units, sizes: Sequence[int], agents: int, networks: int, gain: float, draw: torch.Generator
    ) -> None:
        super().__init__()
        require(len(sizes) > 0 and min(sizes) >= 1, "sizes", "hold positive numbers", tuple(sizes))
        require(networks in (1, agents), "networks", f"be 1 or {agents}, one an agent", networks)
        self.agents = agents
        self.centre, self.scale = (nn.Buffer(torch.tensor(part, dtype=torch.float32)) for part in units)
        shapes = list(pairwise((len(units.centre), *sizes)))
        gains = [GAIN] * (len(shapes) - 1) + [gain]
        self.weights = nn.ParameterList(
            torch.stack([_orthogonal(shape, scale, draw) for _ in range(networks)])
            for shape, scale in zip(shapes, gains, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.zeros(networks if layer else agents, 1, size) for layer, size in enumerate(sizes)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``[N, M, out]`` from ``inputs [N, M, in]``, or ``[1, M, in]`` where all agents see the same."""
        first, *others = (weight.expand(self.agents, -1, -1) for weight in self.weights)
        scaled = ((inputs - self.centre) / self.scale).expand(self.agents, -1, -1)
        answers = torch.baddbmm(self.biases[0], scaled, first)
        for weight, bias in zip(others, self.biases[1:], strict=True):
            answers = torch.baddbmm(bias, tanh(answers), weight)
        return answers

    def layers(self) -> Layers:
        """Return a copy of the weights and biases."""
        return tuple(
            (weight.detach().numpy().copy(), bias.detach().numpy().copy())
            for weight, bias in zip(self.weights, self.biases, strict=True)
        )

    @torch.no_grad()
    def average(self) -> None:
        """Give every agent the mean of the agents' weights and biases."""
        for part in self.parameters():
            part.copy_(part.mean(dim=0, keepdim=True).expand_as(part))


@final
class _Tanh(torch.autograd.Function):
    """By numpy, whose tanh is that of `propagate` and many times as fast as torch's on most processors."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:  # noqa: ANN401 - autograd's own signature
        answers = torch.from_numpy(np.tanh(inputs.detach().numpy()))
        ctx.save_for_backward(answers)
        return answers

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ANN401
        (answers,) = ctx.saved_tensors
        return gradients[0] * (1 - answers * answers)


def tanh(inputs: Tensor) -> Tensor:
    """Return the hyperbolic tangent of each number, with its gradient."""
    apply: Any = _Tanh.apply
    return apply(inputs)


def propagate(layers: Layers, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a network with these layers answers to scaled ``inputs [N, M, in]``: ``[N, M, out]``, in numpy."""
    hidden = inputs
    for weight, bias in layers[:-1]:
        hidden = np.tanh(hidden @ weight + bias)
    weight, bias = layers[-1]
    return hidden @ weight + bias


def _orthogonal(shape: tuple[int, int], gain: float, draw: torch.Generator) -> Tensor:
    return nn.init.orthogonal_(torch.empty(shape), gain, generator=draw)


def _flat(space: Any) -> Box:  # noqa: ANN401 - any space
    if not (isinstance(space, Box) and len(space.shape) == 1):
        raise TypeError(f"`game.observation_space` must be a Box of one dimension; got {space!r}.")
    return space
