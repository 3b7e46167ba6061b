"""Names of `walras.markets.electricity` that load pandas or cvxpy, one line each: strings; nothing is imported yet."""

NAMES = {
    "NetworkMarket": "network",
    "Units": "commitment",
    "clear_horizon": "horizon",
    "clear_zonal": "zonal",
    "commit": "commitment",
    "convex_hull_price": "convex_hull",
    "dispatched": "dispatch",
    "load_entsoe": "entsoe",
    "load_fleet": "fleet",
    "load_matpower": "matpower",
    "load_omie_bids": "omie",
    "load_omie_prices": "omie",
    "load_pypsa": "pypsa",
    "load_rts_gmlc": "rts_gmlc",
    "load_series": "series",
}
"""Each name, and the module in which it is."""
EAGER = ("Clearing", "clear", "clear_network", "merit_order", "settle_pay_as_bid", "settle_uniform")
"""Names of the clearing, which are there from the start."""
