"""A path as a plan: steps with their calldata and predicted health, promise, post-conditions, cost, expiry, hash."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import Transaction, interface
from defilev.model.account import LendingAccount, Notice
from defilev.model.plan import Action, Approve, Plan, Promise, Step, Swap, Unwind
from defilev.model.plan_hash import with_hash
from defilev.plan.binding import bound_of
from defilev.plan.conditions import post_conditions
from defilev.plan.cost import cost_of, gas_of
from defilev.plan.goals import shown_leverage
from defilev.plan.inputs import PlanInputs
from defilev.plan.liquidations import liquidation_prices
from defilev.plan.notices import notices
from defilev.plan.path import Path
from defilev.venues import leverage_executor

__all__ = ["assemble"]


def assemble(inputs: PlanInputs, path: Path, label: str, said: Sequence[Notice] = ()) -> Plan:
    """Return the plan that carries out `path`; `label` is empty unless it stops short of the goal.

    `said` is what the planner found that the owner should know.
    """
    account = inputs.account
    steps = _steps(inputs, path)
    cost = cost_of(inputs, steps)
    blocks = -(-inputs.window // inputs.block_seconds)
    return with_hash(
        Plan(
            chain_id=account.chain_id,
            block=account.block,
            protocol=account.protocol,
            market=account.market,
            owner=account.owner,
            goal=inputs.goal,
            label=label,
            health_factor_before=account.health_factor,
            leverage_before=shown_leverage(account),
            floor=inputs.floor,
            max_slippage=inputs.max_slippage,
            steps=steps,
            promise=_promise(path),
            post_conditions=post_conditions(inputs, path, label),
            cost=cost,
            quote_decimals=account.quote_decimals,
            expires_at_block=account.block.number + max(int(blocks), 1),
            expires_at=account.block.timestamp + inputs.window,
            nonce=inputs.wallet.nonce,
            warnings=(*notices(inputs, path, cost), *said),
            quote=account.quote,
            market_label=account.market_label,
            payer=inputs.payer,
            collateral_value_before=account.collateral_value,
            debt_value_before=account.debt_value,
            liquidation_prices=liquidation_prices(inputs, path.last),
            bound_by=bound_of(inputs, path, label),
        )
    )


def _steps(inputs: PlanInputs, path: Path) -> tuple[Step, ...]:
    steps: list[Step] = []
    account = inputs.account
    for index, action in enumerate(path.actions):
        at = path.nominal_time(index)
        transaction = _transaction(inputs, account, action)
        account = inputs.protocol.apply(account, action, at=at)
        steps.append(
            Step(
                index=index + 1,
                action=action,
                to=transaction.to,
                contract=transaction.contract,
                value=0,
                data="0x" + transaction.data.hex(),
                function=transaction.function.name,
                arguments=transaction.described(),
                health_factor=account.health_factor,
                at=at,
                gas_limit=gas_of(inputs, action),
            )
        )
    return tuple(steps)


def _transaction(inputs: PlanInputs, account: LendingAccount, action: Action) -> Transaction:
    match action:
        case Approve(asset, spender, _, amount):
            return Transaction(asset.address, asset.symbol, interface("erc20")["approve"], (spender, amount))
        case Swap() if inputs.venue is not None:
            return inputs.venue.transaction(action, owner=account.owner)
        case Unwind():
            return leverage_executor.transaction(action, pool=inputs.protocol.spender(account))
        case _:
            return inputs.protocol.transaction(account, action)


def _promise(path: Path) -> Promise:
    last = path.last
    return Promise(
        health_factor=path.health_factor(),
        leverage=shown_leverage(last),
        collateral_value=last.collateral_value,
        debt_value=last.debt_value,
        lowest_health_factor=path.lowest,
    )
