"""What scenarios of markets' files share: the file says how learners train, and how often."""

from functools import cached_property

from walras import agents
from walras.scenarios.electricity.market_data import MarketData
from walras.scenarios.electricity.market_file import MarketFile
from walras.scenarios.engine.scenario import AbstractScenario


class AbstractFromFile(AbstractScenario):
    """A scenario that a file describes; a dataclass with this field."""

    file: MarketFile

    @property
    def seeds(self) -> int:  # type: ignore[override] - the file says it
        """Independent repetitions."""
        return self.file.seeds

    def training(self) -> agents.SB3:
        """Train as the file says."""
        learn = self.file.learners
        return agents.SB3(learn.algorithm, steps=learn.steps, checkpoints=learn.checkpoints)

    @cached_property
    def _data(self) -> MarketData:
        return MarketData(self.file)
