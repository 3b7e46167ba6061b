# Written by .ci/generate.py.
from walras.envs.registration import GAMES as GAMES, register_all as register_all
from walras.envs.auctions.autobidding_market import AutobiddingMarket as AutobiddingMarket
from walras.envs.auctions.contest import Contest as Contest
from walras.envs.cooperation.cooperative_navigation import CooperativeNavigation as CooperativeNavigation
from walras.envs.electricity.cournot_market import CournotMarket as CournotMarket
from walras.envs.electricity.day_ahead_market import DayAheadMarket as DayAheadMarket
from walras.envs.auctions.double_auction import DoubleAuction as DoubleAuction
from walras.envs.electricity.forward_spot_market import ForwardSpotMarket as ForwardSpotMarket
from walras.envs.cooperation.grid_world import GridWorld as GridWorld
from walras.envs.auctions.llg_auction import LLGAuction as LLGAuction
from walras.envs.teams.mean_field_limit_lq import MeanFieldLimitLQ as MeanFieldLimitLQ
from walras.envs.auctions.multi_unit_auction import MultiUnitAuction as MultiUnitAuction
from walras.envs.electricity.network_cournot_market import NetworkCournotMarket as NetworkCournotMarket
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame as RepeatedMatrixGame
from walras.envs.matrix.repeated_pricing import RepeatedPricing as RepeatedPricing
from walras.envs.allocation.resource_allocation import ResourceAllocation as ResourceAllocation
from walras.envs.teams.robust_team_lq import RobustTeamLQ as RobustTeamLQ
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction as SealedBidAuction
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods as SequentialPublicGoods
from walras.envs.electricity.storage_market import StorageMarket as StorageMarket
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket as SupplyFunctionMarket
from walras.envs.matrix.tabular_markov_game import TabularMarkovGame as TabularMarkovGame
from walras.envs.teams.team_mean_field_lq import TeamMeanFieldLQ as TeamMeanFieldLQ
from walras.envs.trading.trading_network_game import TradingNetworkGame as TradingNetworkGame
