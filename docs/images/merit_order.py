"""Draw the picture of the front page: one hour of the day-ahead market, offered at marginal cost.

python docs/images/merit_order.py
"""

from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from walras.envs import DayAheadMarket

game = DayAheadMarket()
first_hour = game.noise(np.random.default_rng(7), 1)
imsave(Path(__file__).with_suffix(".png"), game.image(game.reset(first_hour)))
