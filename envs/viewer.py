"""Pictures and text of states, for `render`. Dynamics never read this module; matplotlib is imported when drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.typing import Bools, Floats, Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL = {"boxstyle": "round", "facecolor": "white", "edgecolor": "none"}
BAR = 32  # characters of the longest bar
MOST_NAMES = 24  # trades whose names fit under a picture


def quantities_text(agents: tuple[str, ...], quantity: Floats, price: float) -> str:
    """List quantities ``[N]`` MW as bars under the price."""
    top = max(float(np.abs(quantity).max()), 1e-12)
    bars = ["#" * round(BAR * abs(float(q)) / top) for q in quantity]
    width = max(map(len, agents))
    lines = [f"{a:<{width}} {q:10.2f} MW {bar}" for a, q, bar in zip(agents, quantity, bars, strict=True)]
    return "\n".join([f"price {price:.2f} EUR/MWh", *lines])


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


def allocation_text(agents: tuple[str, ...], allocation: Floats, budgets: Floats) -> str:
    """List what each agent holds ``[N, M]`` of each resource, and how much of the budgets ``[M]`` is given out."""
    width, places = max(map(len, agents)), max(len(f"{budgets.max():.3f}"), len(f"resource_{len(budgets) - 1}"))
    title = " ".join(f"resource_{k}".rjust(places) for k in range(len(budgets)))
    rows = [*zip(agents, allocation, strict=True), ("given", allocation.sum(axis=0)), ("of", budgets)]
    lines = [f"{name:<{width}} " + " ".join(f"{units:{places}.3f}" for units in row) for name, row in rows]
    return "\n".join([" " * width + " " + title, *lines])


def quotes_text(trades: list[str], bid: Floats, ask: Floats, struck: Bools) -> str:
    """List bid and ask ``[T]`` of each trade, and which trades are struck."""
    width = max(len("seller > buyer"), *map(len, trades))
    lines = [
        f"{name:<{width}} {b:10.2f} {a:10.2f}{'  struck' if done else ''}"
        for name, b, a, done in zip(trades, bid, ask, struck, strict=True)
    ]
    return "\n".join([f"{'seller > buyer':<{width}} {'bid':>10} {'ask':>10}", *lines])


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


def draw_allocation(agents: tuple[str, ...], allocation: Floats, budgets: Floats) -> Image:
    """Draw what each agent holds ``[N, M]`` of each resource, stacked under the budgets ``[M]``."""
    axes = blank_axes("resource", "units")
    place = np.arange(len(budgets))
    axes.bar(place, budgets, width=0.9, fill=False, edgecolor="black", label="budget")
    for index, (bottom, held) in enumerate(zip(np.cumsum(allocation, axis=0) - allocation, allocation, strict=True)):
        axes.bar(place, held, width=0.8, bottom=bottom, color=f"C{index}", label=agents[index])
    axes.set_xticks(place)
    axes.legend(loc="lower right")
    return pixels(axes)


def draw_quotes(trades: list[str], bid: Floats, ask: Floats, struck: Bools) -> Image:
    """Draw bid and ask ``[T]`` of each trade, one above the other, and the prices of those struck."""
    axes = blank_axes("trade", "money")
    place = np.arange(len(trades))
    axes.vlines(place, bid, ask, color="lightgrey")
    axes.plot(place, ask, "v", color="C1", label="ask")
    axes.plot(place, bid, "^", color="C0", label="bid")
    axes.plot(place[struck], (bid + ask)[struck] / 2, "o", color="black", label="struck")
    axes.set_xticks(place, trades if len(trades) <= MOST_NAMES else [str(k) for k in place], rotation=90)
    axes.legend(loc="upper right")
    return pixels(axes)


def draw_processes(x: Floats) -> Image:
    """Draw every process ``[M, n]``, component by component, and the mean."""
    axes = blank_axes("component", "state")
    place = np.arange(x.shape[1])
    shift = np.linspace(-0.3, 0.3, len(x)) if len(x) > 1 else np.zeros(1)
    axes.scatter((place + shift[:, None]).ravel(), x.ravel(), s=14, color="C0", alpha=0.6, label="agents")
    axes.hlines(x.mean(axis=0), place - 0.4, place + 0.4, color="black", label="mean")
    axes.set_xticks(place)
    axes.legend(loc="upper right")
    return pixels(axes)


def blank_axes(horizontal: str, vertical: str, size: tuple[float, float] = (8, 5)) -> "Axes":
    """Return empty axes of a figure, `size` in inches, that no window or global state knows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel=horizontal, ylabel=vertical)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def pixels(axes: "Axes") -> Image:
    """Return the figure of `axes` as pixels, ``[height, width, 3]``."""
    canvas: Any = axes.figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
