"""Try it: runs a plan on a fork of the chain it is meant for, or through `eth_simulateV1`, and says what came of it."""

from defilev.simulate.expected import require_moved
from defilev.simulate.run import simulate
from defilev.simulate.trial import EngineChoice, ForkSource

__all__ = ["EngineChoice", "ForkSource", "require_moved", "simulate"]
