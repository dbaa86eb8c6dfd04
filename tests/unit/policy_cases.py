"""Plans built by hand for the policy: a full round of a deleverage, each call from its own bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from defilev.abi import Transaction, interface
from defilev.execute.policy import Policy
from defilev.model.account import LendingAccount
from defilev.model.plan import (
    Action,
    Approve,
    Goal,
    Hop,
    Plan,
    PlanCost,
    Promise,
    Repay,
    RepayWithSupply,
    Step,
    Swap,
    Withdraw,
)
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.units import UINT256_MAX, WAD, Wad
from tests.factories import BLOCK, DAI, OWNER, USDC, WBTC, WETH, WSTETH, a_borrow, a_supply, an_account

__all__ = [
    "ACCOUNT",
    "POLICY",
    "POOL",
    "ROUTER",
    "STRANGER",
    "TOKENS",
    "Markets",
    "a_plan",
    "closing_plan",
    "deleverage_plan",
    "step_of",
    "two_hop_plan",
]

POOL = Address("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2")
ROUTER = Address("0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45")
STRANGER = Address("0x00000000219ab540356cBB839Cbe05303d7705Fa")
ANY_POOL = Address("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640")
TOKENS = (WETH, WSTETH, WBTC, USDC, DAI)

ACCOUNT = an_account(a_supply(WETH, "50", "3000"), a_borrow(USDC, "60000", "1"))
POLICY = Policy(ACCOUNT, POOL, ROUTER, TOKENS)


class Markets:
    """The contracts that calls are made to."""

    def __init__(self, *, pool: Address = POOL, router: Address = ROUTER, owner: Address = OWNER) -> None:
        self.pool = pool
        self.router = router
        self.owner = owner

    def withdraw(self, token: Token, amount: int | None) -> tuple[Action, Transaction]:
        """All of it when `amount` is `None`."""
        call = self._pool("withdraw", token.address, UINT256_MAX if amount is None else amount, self.owner)
        return Withdraw(token, amount), call

    def repay(self, token: Token, amount: int | None) -> tuple[Action, Transaction]:
        """All of it when `amount` is `None`."""
        call = self._pool("repay", token.address, UINT256_MAX if amount is None else amount, 2, self.owner)
        return Repay(token, amount), call

    def repay_with_supply(self, token: Token, amount: int | None) -> tuple[Action, Transaction]:
        """All that can be when `amount` is `None`."""
        call = self._pool("repayWithATokens", token.address, UINT256_MAX if amount is None else amount, 2)
        return RepayWithSupply(token, amount), call

    def approve(self, token: Token, spender: Address, amount: int) -> tuple[Action, Transaction]:
        """Let `spender` take `amount`."""
        call = Transaction(token.address, token.symbol, interface("erc20")["approve"], (spender, amount))
        return Approve(token, spender, "a contract", amount), call

    def swap(self, hops: Sequence[tuple[Token, Token, int]], amount: int, minimum: int) -> tuple[Action, Transaction]:
        """One pool by `exactInputSingle`, several by `exactInput`."""
        route = tuple(Hop(sold, bought, fee, ANY_POOL) for sold, bought, fee in hops)
        function = interface("uniswap_v3_swap_router_02")["exactInputSingle" if len(hops) == 1 else "exactInput"]
        arguments: Any
        if len(hops) == 1:
            sold, bought, fee = hops[0]
            arguments = (sold.address, bought.address, fee, self.owner, amount, minimum, 0)
        else:
            path = bytes.fromhex(hops[0][0].address[2:])
            for _, bought, fee in hops:
                path += fee.to_bytes(3, "big") + bytes.fromhex(bought.address[2:])
            arguments = (path, self.owner, amount, minimum)
        call = Transaction(self.router, "swap router", function, (arguments,))
        return Swap(route, amount, minimum, minimum * 201 // 200), call

    def _pool(self, name: str, *arguments: Any) -> Transaction:
        return Transaction(self.pool, "aave-v3 main", interface("aave_v3_pool")[name], arguments)


def step_of(index: int, action: Action, call: Transaction) -> Step:
    """The step that performs `action` by `call`."""
    return Step(
        index=index,
        action=action,
        to=call.to,
        contract=call.contract,
        value=0,
        data="0x" + call.data.hex(),
        function=call.function.name,
        arguments=call.described(),
        health_factor=Wad(2 * WAD),
        at=BLOCK.timestamp + 12 * index,
        gas_limit=400_000,
    )


def a_plan(
    calls: Sequence[tuple[Action, Transaction]],
    *,
    account: LendingAccount = ACCOUNT,
    nonce: int = 0,
    block: Block | None = None,
) -> Plan:
    """A plan of `calls` that promises a health factor of 2."""
    at = block or account.block
    return Plan(
        chain_id=account.chain_id,
        block=at,
        protocol=account.protocol,
        market=account.market,
        owner=account.owner,
        goal=Goal("health-factor", Decimal(2)),
        label="",
        health_factor_before=account.health_factor,
        leverage_before=None,
        floor=Wad(WAD),
        max_slippage=Decimal("0.005"),
        steps=tuple(step_of(index, *call) for index, call in enumerate(calls, 1)),
        promise=Promise(Wad(2 * WAD), None, 0, 0, None),
        post_conditions=(),
        cost=PlanCost(0, 0, 0, 0, None, len(calls), len(calls), Decimal(1)),
        quote_decimals=account.quote_decimals,
        expires_at_block=at.number + 50,
        expires_at=at.timestamp + 600,
        nonce=nonce,
        warnings=(),
        hash="ab" * 32,
    )


def deleverage_plan(markets: Markets | None = None) -> Plan:
    """Withdraw 2 WETH, sell them in one pool, repay with the least they bring."""
    on = markets or Markets()
    amount, minimum = 2 * 10**18, 5_970 * 10**6
    return a_plan([
        on.withdraw(WETH, amount),
        on.approve(WETH, on.router, amount),
        on.swap([(WETH, USDC, 500)], amount, minimum),
        on.approve(USDC, on.pool, minimum),
        on.repay(USDC, minimum),
    ])  # fmt: skip


def two_hop_plan() -> Plan:
    """The same through a pool of DAI."""
    on = Markets()
    amount, minimum = 2 * 10**18, 5_970 * 10**6
    return a_plan([
        on.withdraw(WETH, amount),
        on.approve(WETH, on.router, amount),
        on.swap([(WETH, DAI, 3000), (DAI, USDC, 100)], amount, minimum),
        on.approve(USDC, on.pool, minimum),
        on.repay(USDC, minimum),
    ])  # fmt: skip


def closing_plan() -> Plan:
    """Repay everything owed from the wallet, withdraw everything, leave no allowance."""
    on = Markets()
    return a_plan([
        on.approve(USDC, on.pool, 60_010 * 10**6),
        on.repay(USDC, None),
        on.approve(USDC, on.pool, 0),
        on.withdraw(WETH, None),
    ])  # fmt: skip


def with_step(plan: Plan, index: int, **changes: Any) -> Plan:
    """`plan` with something changed in step `index`, counted from 1."""
    steps = list(plan.steps)
    steps[index - 1] = replace(steps[index - 1], **changes)
    return replace(plan, steps=tuple(steps))
