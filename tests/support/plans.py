"""Plans written by hand on the local chain: any actions in any order, sensible or not."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from defilev.abi import Transaction, interface, revert_reason
from defilev.errors import Refused
from defilev.model.account import LendingAccount
from defilev.model.book import UniswapV3Entry
from defilev.model.plan import Action, Approve, Goal, Hop, Plan, PlanCost, PostCondition, Promise, Step, Swap
from defilev.model.plan_hash import with_hash
from defilev.model.request import Address
from defilev.model.simulation import SimulationReport
from defilev.model.token import Token
from defilev.protocols import PROTOCOLS
from defilev.simulate import ForkSource, simulate
from defilev.simulate.trial import EngineChoice
from defilev.units import WAD, Wad
from defilev.venues.uniswap_v3 import UniswapV3
from tests.support.world import World

__all__ = ["approve", "plan_of", "source_of", "spender_of", "swap", "token_of", "try_plan", "venue_of"]

SECONDS = 12


def venue_of(world: World) -> UniswapV3:
    """Return the local chain's Uniswap."""
    entry = world.description["uniswap_v3"]
    return UniswapV3(UniswapV3Entry(*(Address(entry[name]) for name in ("factory", "quoter_v2", "swap_router_02"))))


def token_of(account: LendingAccount, symbol: str) -> Token:
    """Return a token of the account's market by its symbol."""
    return next(token for token in PROTOCOLS[account.protocol].tokens(account) if token.symbol == symbol)


def spender_of(account: LendingAccount) -> Address:
    """Return the contract of the account's market that takes tokens from the wallet."""
    return PROTOCOLS[account.protocol].spender(account)


def approve(token: Token, spender: Address, amount: int) -> Approve:
    """Return the approval of exactly `amount`."""
    return Approve(token, spender, "spender", amount)


def swap(world: World, pool: str, sold: Token, bought: Token, *, amount_in: int, minimum_out: int) -> Swap:
    """Return the sale through one of the local pools, named as `WETH/USDC 0.05%`."""
    described = world.description["pools"][pool]
    hop = Hop(sold, bought, int(described["fee"]), Address(described["address"]))
    return Swap((hop,), amount_in, minimum_out, minimum_out)


def plan_of(
    world: World, account: LendingAccount, actions: Sequence[Action], *, conditions: Sequence[PostCondition] = ()
) -> Plan:
    """Return the plan that performs `actions`, whatever comes of it; predicted health ends with the first refusal."""
    steps: list[Step] = []
    current: LendingAccount | None = account
    for index, action in enumerate(actions):
        at = account.block.timestamp + SECONDS * (index + 1)
        current = _applied(current, action, at)
        steps.append(_step(world, account, action, index, at, current.health_factor if current else None))
    return with_hash(
        Plan(
            chain_id=account.chain_id,
            block=account.block,
            protocol=account.protocol,
            market=account.market,
            owner=account.owner,
            goal=Goal("health-factor", Decimal(2)),
            label="",
            health_factor_before=account.health_factor,
            leverage_before=None,
            floor=Wad(WAD),
            max_slippage=Decimal("0.005"),
            steps=tuple(steps),
            promise=Promise(None, None, 0, 0, None),
            post_conditions=tuple(conditions),
            cost=PlanCost(0, 0, 0, 0, None, len(steps), len(steps), Decimal(0)),
            quote_decimals=account.quote_decimals,
            expires_at_block=account.block.number + 50,
            expires_at=account.block.timestamp + 600,
            nonce=0,
            warnings=(),
        )
    )


def source_of(world: World, account: LendingAccount) -> ForkSource:
    """Return the local chain at the account's block."""
    multicall3 = Address(world.description["multicall3"])
    return ForkSource(world.node, world.rpc_url, multicall3, account.block)


def try_plan(world: World, account: LendingAccount, plan: Plan, *, engine: EngineChoice) -> SimulationReport:
    """Simulate `plan` from the account's block."""
    protocol = PROTOCOLS[account.protocol]
    interfaces = (*protocol.interfaces(), interface("uniswap_v3_swap_router_02"), interface("erc20"))
    return simulate(
        plan,
        source=source_of(world, account),
        probe=protocol.probe(account, plan),
        explain=lambda data: revert_reason(data, interfaces, protocol.error_codes()),
        engine=engine,
    )


def _applied(account: LendingAccount | None, action: Action, at: int) -> LendingAccount | None:
    try:
        return PROTOCOLS[account.protocol].apply(account, action, at=at) if account else None
    except Refused:
        return None


def _step(
    world: World, account: LendingAccount, action: Action, index: int, at: int, health_factor: Wad | None
) -> Step:
    transaction = _transaction(world, account, action)
    return Step(
        index=index,
        action=action,
        to=transaction.to,
        contract=transaction.contract,
        value=0,
        data="0x" + transaction.data.hex(),
        function=transaction.function.name,
        arguments=transaction.described(),
        health_factor=health_factor,
        at=at,
        gas_limit=600_000,
    )


def _transaction(world: World, account: LendingAccount, action: Action) -> Transaction:
    if isinstance(action, Approve):
        arguments = (action.spender, action.amount)
        return Transaction(action.asset.address, action.asset.symbol, interface("erc20")["approve"], arguments)
    if isinstance(action, Swap):
        return venue_of(world).transaction(action, owner=account.owner)
    return PROTOCOLS[account.protocol].transaction(account, action)
