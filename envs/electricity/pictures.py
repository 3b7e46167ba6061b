"""Pictures and text of electricity markets; matplotlib is imported when drawn."""

from collections.abc import Hashable, Sequence

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.viewer import blank_axes, pixels

LABEL = {"boxstyle": "round", "facecolor": "white", "edgecolor": "none"}


BAR = 32  # characters of the longest bar


def quantities_text(agents: tuple[str, ...], quantity: Floats, price: float) -> str:
    """List quantities ``[N]`` MW as bars under the price."""
    return "\n".join([f"price {price:.2f} EUR/MWh", *bars(agents, quantity)])


def bars(agents: tuple[str, ...], quantity: Floats) -> list[str]:
    """Return a line an agent: its quantity ``[N]`` MW as a number and a bar."""
    top = max(float(np.abs(quantity).max()), 1e-12)
    drawn = ["#" * round(BAR * abs(float(q)) / top) for q in quantity]
    width = max(map(len, agents))
    return [f"{a:<{width}} {q:10.2f} MW {bar}" for a, q, bar in zip(agents, quantity, drawn, strict=True)]


def network_text(agents: tuple[str, ...], output: Floats, buses: Sequence[Hashable], price: Floats) -> str:
    """List outputs ``[N]`` MW as bars under the prices ``[n]`` of the buses."""
    named = ", ".join(f"{bus} {level:.2f}" for bus, level in zip(buses, price, strict=True))
    return f"prices {named} EUR/MWh\n" + "\n".join(bars(agents, output))


def merit_order_text(
    agents: tuple[str, ...], offer: Floats, offered: Floats, dispatch: Floats, load: float, price: float
) -> str:
    """List blocks ``[N, K]`` in merit order; ``#`` is dispatched, ``.`` is offered but not needed."""
    lines = [f"net load {load:.0f} MW, price {price:.2f} EUR/MWh"]
    width, top = max(map(len, agents)), max(float(offered.max()), 1e-12)
    for block in np.argsort(offer, axis=None, kind="stable"):
        quantity, used = offered.flat[block], dispatch.flat[block]
        length, filled = round(BAR * quantity / top), round(BAR * used / top)
        name = agents[block // offer.shape[1]]
        lines.append(f"{name:<{width}} {offer.flat[block]:8.2f} {quantity:8.0f} MW {'#' * filled:.<{length}}")
    return "\n".join(lines)


def draw_merit_order(agents: tuple[str, ...], offer: Floats, offered: Floats, load: float, price: float) -> Image:
    """Draw blocks ``[N, K]`` by price, coloured by seller, with the net load and the clearing point."""
    axes = blank_axes("offered quantity (MW)", "price (EUR/MWh)")
    order = np.argsort(offer, axis=None, kind="stable")
    prices, quantities = offer.ravel()[order], offered.ravel()[order]
    owner = order // offer.shape[1]
    left = np.cumsum(quantities) - quantities
    for index, agent in enumerate(agents):
        mine = owner == index
        axes.bar(left[mine], prices[mine], quantities[mine], align="edge", color=f"C{index}", label=agent)
    axes.axvline(load, color="black", linewidth=1)
    axes.plot([load], [price], "o", color="black")
    axes.annotate(f"{price:.2f}", (load, price), textcoords="offset points", xytext=(8, 8), bbox=LABEL)
    axes.legend(loc="upper left", frameon=False)
    return pixels(axes)


def draw_cournot(agents: tuple[str, ...], intercept: float, slope: float, quantity: Floats) -> Image:
    """Draw the demand curve, each firm's quantity ``[N]`` side by side and the price."""
    axes = blank_axes("quantity (MW)", "price (EUR/MWh)")
    total = float(quantity.sum())
    price, reach = intercept - slope * total, max(intercept / slope, total)
    axes.plot([0, reach], [intercept, intercept - slope * reach], color="black", label="demand")
    for index, (left, q) in enumerate(zip(np.cumsum(quantity) - quantity, quantity, strict=True)):
        axes.bar(left, price, q, align="edge", color=f"C{index}", alpha=0.7, label=agents[index])
    axes.plot([total], [price], "o", color="black")
    axes.legend(loc="upper right", frameon=False)
    return pixels(axes)


def draw_supply_functions(agents: tuple[str, ...], curve: Floats, price: float) -> Image:
    """Draw the offered curves ``[N, 2]``, their sum and the clearing price."""
    axes = blank_axes("quantity (MW)", "price (EUR/MWh)")
    prices = np.array([float(curve[:, 0].min()), max(1.2 * price, float(curve[:, 0].max()))])
    quantity = curve[:, 1] * (prices[:, None] - curve[:, 0])
    for index, agent in enumerate(agents):
        axes.plot(quantity[:, index], prices, color=f"C{index}", label=agent)
    axes.plot(quantity.sum(axis=1), prices, color="black", label="all")
    axes.axhline(price, color="grey", linewidth=1)
    axes.legend(loc="upper left", frameon=False)
    return pixels(axes)
