"""What this machine signs: decided from the bytes, call by call, and denied unless a rule allows it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field as field_of, fields as fields_of
from decimal import Decimal

from defilev.errors import PlanForAnotherChain, PolicyViolation
from defilev.execute.account_facts import holdings_of, house_of, prices_of, receipts_of
from defilev.execute.allowances import allowance_checks, everything_checks
from defilev.execute.borrowing import borrowing_checks, swaps_debt
from defilev.execute.checking_calls import checked_calls
from defilev.execute.checks import Bounds, Check, DecodedCall
from defilev.execute.denying import at_most, deny, equal, require
from defilev.execute.executor_calls import unwound_checks
from defilev.execute.lever_checks import lever_checks
from defilev.execute.limits import Limits, NothingSpent, Spent, limit_checks
from defilev.execute.public_keys import assert_key_allowed
from defilev.execute.rules import ADAPTERS
from defilev.execute.transaction import TransactionFields, decode_signed
from defilev.model.account import LendingAccount, Price
from defilev.model.book import AddressBook
from defilev.model.call_list import CallList
from defilev.model.plan import Borrow, Plan, Step
from defilev.model.request import Address
from defilev.model.safe import SafeAccount
from defilev.model.token import Token
from defilev.plan.atomic_inputs import AtomicInputs

__all__ = ["Limits", "Policy", "check_cancellation", "check_plan", "check_signed", "check_transaction", "policy_for"]

_HALF_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2
_DEFAULT_LIMITS = Limits()
_NOTHING = NothingSpent()
_ROUTER = ("uniswap-v3-router", "uniswap-v3")
_EXECUTOR = "leverage-executor"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be signed for the owner of `account`, as it was read at the newest block: the profile `deleverage-only`.

    `pool` and `tokens` are the market's; `router` is `None` where nothing can be swapped. `public_keys` says whether
    keys that everybody knows may sign: only on a loopback anvil. `calls` is the chain's shipped list, `None` where none
    is shipped; `spent` remembers what the last day saw. With a `payer` the profile is `repay-only`: that account signs,
    and nothing but exact repayments on the owner's behalf is allowed, each with its approval. With a `safe` the payer
    sends what that Safe's owners signed, and the rules are for the Safe's calls. With a `max_leverage` the profile is
    `lever-up` for plans that borrow: up to so much leverage. `prices` are those of the whole market, of which only a
    plan that borrows, or that rearranges, may buy what is neither held nor owed. `atomic` is the verified executor.
    """

    account: LendingAccount
    pool: Address
    router: Address | None
    tokens: tuple[Token, ...]
    limits: Limits = _DEFAULT_LIMITS
    public_keys: bool = False
    calls: CallList | None = None
    spent: Spent = _NOTHING
    payer: Address | None = None
    safe: SafeAccount | None = None
    atomic: AtomicInputs | None = None
    max_leverage: Decimal | None = None
    prices: Mapping[Address, Price] = field_of(default_factory=dict)

    @property
    def levers(self) -> bool:
        """Whether leverage may be raised: by the owner alone, who has said how far."""
        return self.max_leverage is not None and self.payer is None and self.safe is None

    @property
    def actor(self) -> Address:
        """The account that signs."""
        return self.payer or self.account.owner

    @property
    def mover(self) -> Address:
        """The account whose calls reach the market: the Safe where one is made to act, else the one that signs."""
        return self.safe.address if self.safe else self.actor


def policy_for(
    account: LendingAccount,
    *,
    pool: Address,
    tokens: Iterable[Token],
    book: AddressBook,
    node_is_loopback_anvil: bool,
    limits: Limits | None = None,
    calls: CallList | None = None,
    spent: Spent | None = None,
) -> Policy:
    """Return the policy for acting on `account`.

    Args:
        account: read at the newest block.
        pool: the market's contract that is called and that takes tokens from the wallet (`LendingProtocol.spender`).
        tokens: the market's (`LendingProtocol.tokens`).
        book: the address book of the chain.
        limits: of this machine; the default ones if left out.
        calls: the chain's shipped list of contracts and selectors, `None` where none is shipped.
        spent: remembers what the last 24 hours saw; nothing if left out.

    Raises:
        PlanForAnotherChain: the book is of another chain than the account.
    """
    if book.chain_id != account.chain_id:
        raise PlanForAnotherChain(
            "the address book is of another chain than the account", book=book.chain_id, account=account.chain_id
        )
    router = book.uniswap_v3.swap_router_02 if book.uniswap_v3 else None
    return Policy(
        account,
        pool,
        router,
        tuple(tokens),
        limits or _DEFAULT_LIMITS,
        public_keys=node_is_loopback_anvil,
        calls=calls,
        spent=spent or _NOTHING,
    )


def check_plan(plan: Plan, *, policy: Policy) -> list[DecodedCall]:
    """Decode every call of `plan` from its bytes, hold it against the rules, and return what the bytes say.

    Raises:
        PolicyViolation: names the step, the rule, what was found and what is allowed.
        PlanForAnotherChain: the plan is for another chain than the account was read on.
    """
    account = policy.account
    if plan.chain_id != account.chain_id:
        fact = f"the plan is for chain {plan.chain_id}, not {account.chain_id}"
        raise PlanForAnotherChain(fact, plan=plan.chain_id, node=account.chain_id)
    _require_levering(plan, policy)
    for check in (*_head_checks(plan, policy), *_list_checks(policy)):
        require(check)
    bounds = _bounds(plan, policy)
    of_steps = [checked_calls(step, bounds, policy.safe, place) for place, step in enumerate(plan.steps)]
    calls = [call for found in of_steps for call in found]
    steps = [step for step, found in zip(plan.steps, of_steps, strict=True) for _ in found]
    actions = [action for step in plan.steps for action in step.actions]
    whole = list(everything_checks(calls, actions, holdings=bounds.holdings))
    levered = () if swaps_debt(plan) else lever_checks(calls, account, bounds=bounds, most=policy.max_leverage)
    swapped = borrowing_checks(calls, bounds=bounds) if swaps_debt(plan) else ()
    whole = [*unwound_checks(calls, bounds), *allowance_checks(calls, bounds=bounds), *whole]
    for position, check in (*whole, *levered, *swapped):
        require(check, steps[position])
    before = policy.spent.last_day(chain_id=account.chain_id, owner=policy.actor, quote=account.quote)
    for place, check in limit_checks(calls, account, limits=policy.limits, before=before, bounds=bounds):
        require(check, None if place is None else steps[place])
    return calls


def check_transaction(fields: TransactionFields, step: Step, *, policy: Policy) -> None:
    """Hold the transaction that is about to be signed against its step and the limits.

    Raises:
        PolicyViolation: names the field.
    """
    for check in (
        equal("to", fields.to, step.to),
        equal("data", "0x" + fields.data.hex(), step.data),
        *_field_checks(fields, policy),
    ):
        require(check, step)


def check_cancellation(fields: TransactionFields, *, policy: Policy) -> None:
    """Hold a transaction that only takes a nonce, from its signer to its signer; raises `PolicyViolation`."""
    for check in (
        equal("to", fields.to, policy.actor),
        equal("data", fields.data, b""),
        *_field_checks(fields, policy),
    ):
        require(check)


def _field_checks(fields: TransactionFields, policy: Policy) -> tuple[Check, ...]:
    """Return what holds for whatever is signed."""
    limits = policy.limits
    assert_key_allowed(policy.actor, node_is_loopback_anvil=policy.public_keys)
    return (
        equal("chainId", fields.chain_id, policy.account.chain_id),
        equal("value", fields.value, 0),
        at_most("gas limit", fields.gas_limit, limits.gas),
        at_most("max fee per gas in wei", fields.max_fee_per_gas, limits.fee_per_gas),
        at_most(
            "max fee minus tip in wei per gas",
            fields.max_fee_per_gas - fields.max_priority_fee_per_gas,
            fields.max_fee_per_gas,
        ),
        at_most("wei that the transaction can cost", fields.most_it_can_cost, limits.transaction_cost),
    )


def check_signed(raw: bytes, step: Step | None, *, expected: TransactionFields, owner: Address) -> str:
    """Decode what was signed and compare every field; return the transaction's hash.

    `step` is what it is for, `None` when it only takes a nonce.

    Raises:
        PolicyViolation: the bytes are not `expected`, or not signed by `owner`.
    """
    try:
        signed = decode_signed(raw)
        sender = signed.sender()
    except ValueError as error:
        deny(step, "signed transaction", str(error), "the transaction that was to be signed")
    for field in fields_of(TransactionFields):
        found, wanted = getattr(signed.fields, field.name), getattr(expected, field.name)
        require(Check(f"signed {field.name}", found == wanted, found, wanted), step)
    require(Check("signature", signed.s <= _HALF_CURVE_ORDER, "a high s", "the lower of the two s"), step)
    require(Check("signer", sender == owner, sender, owner), step)
    return signed.hash


def _require_levering(plan: Plan, policy: Policy) -> None:
    """Say what allows a plan that borrows, before its first call is refused as one that is not in the table."""
    for step in plan.steps:
        if swaps_debt(plan):
            return
        if not policy.levers and any(isinstance(action, Borrow) for action in step.actions):
            raise PolicyViolation(
                f"step {step.index} ({step.action.kind}) is not allowed: a call that raises leverage",
                fix="to allow it, set limits.max_leverage in your own settings file; see docs/security.md",
                allowed="nothing that borrows",
            )


def _head_checks(plan: Plan, policy: Policy) -> tuple[Check, ...]:
    account, limits = policy.account, policy.limits
    first = plan.steps[0].index if plan.steps else 0
    numbered = [step.index for step in plan.steps] == list(range(first, first + len(plan.steps)))
    return (
        Check("protocol", plan.protocol in ADAPTERS, plan.protocol, " or ".join(ADAPTERS)),
        equal("protocol", plan.protocol, account.protocol),
        equal("market", plan.market, account.market),
        equal("owner", plan.owner, account.owner),
        equal("payer", plan.payer, policy.payer),
        Check("steps", bool(plan.steps) and numbered, len(plan.steps), "at least one, numbered one after another"),
        Check("max slippage", 0 < plan.max_slippage <= limits.slippage, plan.max_slippage, f"up to {limits.slippage}"),
    )


def _list_checks(policy: Policy) -> Iterator[Check]:
    """Yield whether the contracts that the node and the address book name are those of the chain's list."""
    if policy.calls is None:
        return
    account, listed = policy.account, policy.calls
    yield equal("chain of the list of calls", listed.chain_id, account.chain_id)
    pool = listed.address(f"{account.protocol}-pool", f"{account.protocol}/{account.deployment or account.market}")
    yield Check("pool", pool in (None, policy.pool), policy.pool, pool)
    house = listed.address(f"{account.protocol}-house", f"{account.protocol}/{account.market}")
    found = house_of(account)
    yield Check("house", found is None or house in (None, found), found, house)
    if policy.atomic is not None:
        yield equal("executor", policy.atomic.reach.address, listed.address(_EXECUTOR, _EXECUTOR))
    router = listed.address(*_ROUTER)
    yield Check("router", policy.router is None or router in (None, policy.router), policy.router, router)


def _bounds(plan: Plan, policy: Policy) -> Bounds:
    account = policy.account
    return Bounds(
        owner=account.owner,
        protocol=account.protocol,
        market=account.market,
        pool=policy.pool,
        router=policy.router,
        tokens={token.address: token for token in policy.tokens},
        prices={**(policy.prices if policy.levers or plan.goal.rearranges else {}), **prices_of(account)},
        debts={leg.asset.address: leg.amount for leg in account.legs if leg.side == "borrow"},
        minimum_fill=1 - plan.max_slippage - policy.limits.price_drift,
        selectors=_selectors(policy, levering=policy.levers or plan.goal.rearranges),
        holdings=holdings_of(account),
        collateral=frozenset(leg.asset.address for leg in account.legs if leg.used_as_collateral),
        is_for_another=policy.mover != account.owner,
        house=house_of(account),
        at=account.block.timestamp,
        supplies={leg.asset.address: leg.amount for leg in account.legs if leg.side == "supply"},
        goal=plan.goal.kind,
        levers=policy.levers,
        executor=policy.atomic.reach.address if policy.atomic else None,
        receipts=receipts_of(policy.atomic),
    )


def _selectors(policy: Policy, *, levering: bool) -> dict[str, frozenset[bytes]] | None:
    """Return by role what the chain's list has; the rules of this package stay in force beside it."""
    if policy.calls is None:
        return None
    protocol = policy.account.protocol
    roles = {"pool": f"{protocol}-pool", "house": f"{protocol}-house", "router": _ROUTER[0], "token": "token"}
    roles |= {"executor": _EXECUTOR, "receipt": "token"}
    return {role: policy.calls.selectors(listed, levering=levering) for role, listed in roles.items()}
