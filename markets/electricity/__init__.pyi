# Written by .ci/generate.py.
from walras.markets.electricity.clearing import Clearing as Clearing
from walras.markets.electricity.clearing import clear as clear
from walras.markets.electricity.clearing import clear_network as clear_network
from walras.markets.electricity.clearing import merit_order as merit_order
from walras.markets.electricity.clearing import settle_pay_as_bid as settle_pay_as_bid
from walras.markets.electricity.clearing import settle_uniform as settle_uniform
from walras.markets.electricity.network import NetworkMarket as NetworkMarket
from walras.markets.electricity.horizon import clear_horizon as clear_horizon
from walras.markets.electricity.dispatch import dispatched as dispatched
from walras.markets.electricity.entsoe import load_entsoe as load_entsoe
from walras.markets.electricity.fleet import load_fleet as load_fleet
from walras.markets.electricity.matpower import load_matpower as load_matpower
from walras.markets.electricity.omie import load_omie_bids as load_omie_bids
from walras.markets.electricity.omie import load_omie_prices as load_omie_prices
from walras.markets.electricity.pypsa import load_pypsa as load_pypsa
from walras.markets.electricity.rts_gmlc import load_rts_gmlc as load_rts_gmlc
from walras.markets.electricity.series import load_series as load_series
