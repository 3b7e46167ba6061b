# Written by .ci/generate.py.
from walras.markets.electricity import data as data
from walras.markets.allocation import fisher as fisher
from walras.markets.electricity import matpower as matpower
from walras.markets.trading import trading_network as trading_network
