# Written by .ci/generate.py.
from walras.core.policy import Constant as Constant, Random as Random, Scripted as Scripted
from walras.agents.best_response import BestResponse as BestResponse
from walras.agents.trading.zero_intelligence import ZeroIntelligence as ZeroIntelligence
from walras.agents.imitation import behaviour_cloning as behaviour_cloning
from walras.agents.imitation import demonstration_formats as demonstration_formats
from walras.agents.imitation import demonstrations as demonstrations
from walras.agents.imitation import discriminators as discriminators
from walras.agents.imitation import dm2 as dm2
from walras.agents.imitation import guided as guided
from walras.agents.ppo import ippo as ippo
from walras.agents.imitation import magail as magail
from walras.agents.ppo import mappo as mappo
from walras.agents.teams import mrpg as mrpg
from walras.agents.imitation import pegmarl as pegmarl
from walras.agents.imitation import pofd as pofd
from walras.agents.teams import rgda as rgda
from walras.agents import sb3 as sb3
from walras.agents.teams import whole_horizon as whole_horizon
from walras.agents.trading import zero_intelligence as zero_intelligence
