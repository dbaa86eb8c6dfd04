"""The deploy steps, in order. A protocol is one module with `deploy(site)` and one line here."""

from collections.abc import Callable

from localworld.context import Site
from localworld.deploy import aave_30, aave_36, curie, feeds, finish, morpho_blue, positions, tokens, uniswap_v3

STEPS: tuple[Callable[[Site], None], ...] = (
    tokens.deploy,
    feeds.deploy,
    curie.deploy,
    aave_36.deploy,
    aave_30.deploy,
    uniswap_v3.deploy,
    morpho_blue.deploy,
    positions.deploy,
    morpho_blue.open_positions,
    finish.deploy,
)
