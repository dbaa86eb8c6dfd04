"""Random transactions that a signer must sign: deleverages, closings, repayments, replacements, cancellations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import rlp  # type: ignore[import-untyped]
from eth_account import Account

from defilev.abi import Transaction
from defilev.model.plan import Action
from defilev.model.token import Token
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.isolated_calls import MORPHO, PARAMS, IsolatedMarket
from tests.support.signing import PolicyToken, policy_text
from tests.support.trial_perps import HOUSE, LEGAL_PERPS, PERP_TOKENS, VAULT
from tests.unit.policy_cases import POOL, ROUTER, Markets

__all__ = ["CHAIN_ID", "KEY", "OWNER", "PROTECTED", "Call", "Draft", "legal_drafts", "trial_policy"]

KEY = bytes.fromhex("c0ffee" * 10 + "abcd")
OWNER = Account.from_key(KEY).address
PROTECTED = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
CHAIN_ID = 1
GWEI = 10**9
PRICES = {WETH: 3000, WSTETH: 3600, WBTC: 60_000, USDC: 1, DAI: 1}
SOLD, BOUGHT = (WETH, WSTETH, WBTC), (USDC, DAI)
LARGEST = 90_000

Call = tuple[str, bytes]


@dataclass(frozen=True)
class Draft:
    """A transaction before it is encoded, and the calls that its plan makes after it."""

    kind: str
    nonce: int
    to: str
    data: bytes
    following: tuple[Call, ...] = ()
    chain_id: int = CHAIN_ID
    tip: int = 10**8
    fee: int = 10 * GWEI
    gas: int = 400_000
    value: int = 0
    access_list: list[object] = field(default_factory=list)
    last: int = 0
    """The last nonce that was signed."""

    def items(self) -> list[object]:
        """Return the fields as RLP takes them."""
        numbers = (self.chain_id, self.nonce, self.tip, self.fee, self.gas)
        to = bytes.fromhex(self.to[2:])
        return [*map(_integer, numbers), to, _integer(self.value), self.data, self.access_list]

    def payload(self) -> bytes:
        """Return the unsigned bytes."""
        return b"\x02" + rlp.encode(self.items())


def trial_policy(**changes: object) -> str:
    """Return the policy of the trial: two lenders, one router, perpetuals, and limits that legal transactions keep."""
    tokens = [PolicyToken(token.symbol, token.address, token.decimals, str(price)) for token, price in PRICES.items()]
    tokens += PERP_TOKENS
    usual: dict[str, object] = {
        "chain_id": CHAIN_ID, "owner": OWNER, "pool": POOL, "router": ROUTER, "tokens": tokens,
        "protected": [PROTECTED], "morpho": MORPHO, "markets": [PARAMS.id],
    }  # fmt: skip
    usual["perp"] = (VAULT, HOUSE)
    return policy_text(**(usual | changes))  # type: ignore[arg-type]


def legal_drafts(random: Random) -> Iterator[Draft]:
    """Yield legal transactions without end, in an order in which all of them may be signed."""
    nonce = random.randrange(1000)
    while True:
        for draft in _round(random, nonce):
            yield draft
            yield from _again(random, draft)
            nonce = draft.nonce + 1
        if random.random() < 0.1:
            nonce += random.randrange(1, 20)  # the owner acted elsewhere
        if random.random() < 0.1:
            yield _with_fees(random, Draft("cancel", nonce, OWNER, b""))
            nonce += 1


def _again(random: Random, draft: Draft) -> Iterator[Draft]:
    """Yield, now and then, the same again, the same with higher fees, or the cancellation of its nonce."""
    dice = random.random()
    if dice < 0.05:
        yield replace(draft, kind="again")
    elif dice < 0.15:
        higher = replace(draft, kind="higher fees", tip=draft.tip * 9 // 8 + 1, fee=draft.fee * 9 // 8 + 1)
        yield higher
    elif dice < 0.18:
        yield replace(
            draft, kind="cancel", to=OWNER, data=b"", following=(), gas=21_000, tip=draft.tip * 2, fee=draft.fee * 2
        )


def _round(random: Random, nonce: int) -> list[Draft]:
    calls = random.choice(ROUNDS)(random)
    drafts = []
    for place, (kind, to, data) in enumerate(calls):
        following = tuple((later, call) for _, later, call in calls[place + 1 :])
        drafts.append(_with_fees(random, Draft(kind, nonce + place, to, data, following)))
    return drafts


def _with_fees(random: Random, draft: Draft) -> Draft:
    fee = random.randrange(10**8, 20 * GWEI)
    return replace(draft, fee=fee, tip=random.randrange(10**6, fee), gas=random.randrange(60_000, 900_000))


Named = tuple[str, str, bytes]


def _named(calls: Sequence[tuple[Action, Transaction]]) -> list[Named]:
    return [(action.kind, call.to, call.data) for action, call in calls]


def _amount(token: Token, value: int) -> int:
    return value * 10**token.decimals // PRICES[token]


def _deleverage(random: Random) -> list[Named]:
    """Withdraw, sell along one to three pools, repay: each approval exact, now and then taken back to zero before."""
    on = Markets(owner=OWNER)
    sold, bought, value = random.choice(SOLD), random.choice(BOUGHT), random.randrange(50, LARGEST)
    amount = _amount(sold, value)
    minimum = _amount(bought, value * random.randrange(970, 1000) // 1000)
    middle = random.sample([token for token in PRICES if token not in (sold, bought)], random.randrange(3))
    tokens = [sold, *middle, bought]
    hops = [(*pair, random.choice((100, 500, 3000))) for pair in pairwise(tokens)]
    zero = [on.approve(sold, ROUTER, 0)] if random.random() < 0.1 else []
    return _named([
        on.withdraw(sold, amount), *zero, on.approve(sold, ROUTER, amount), on.swap(hops, amount, minimum),
        on.approve(bought, POOL, minimum), on.repay(bought, minimum),
    ])  # fmt: skip


def _close(random: Random) -> list[Named]:
    on = Markets(owner=OWNER)
    debt = random.choice(BOUGHT)
    amount = _amount(debt, random.randrange(50, LARGEST))
    return _named([
        on.approve(debt, POOL, amount), on.repay(debt, None), on.approve(debt, POOL, 0),
        on.withdraw(random.choice(SOLD), None),
    ])  # fmt: skip


def _repay(random: Random) -> list[Named]:
    on = Markets(owner=OWNER)
    debt = random.choice(BOUGHT)
    amount = _amount(debt, random.randrange(1, LARGEST))
    return _named([on.approve(debt, POOL, amount), on.repay(debt, amount)])


def _repay_with_supply(random: Random) -> list[Named]:
    """Repay with what is supplied of the same token: a number, or all that can be."""
    debt = random.choice(BOUGHT)
    amount = _amount(debt, random.randrange(1, LARGEST)) if random.random() < 0.5 else None
    return _named([Markets().repay_with_supply(debt, amount)])


def _repay_for_another(random: Random) -> list[Named]:
    """Repay what a protected account owes, out of this one's reserve."""
    debt = random.choice(BOUGHT)
    amount = _amount(debt, random.randrange(1, LARGEST))
    approval = Markets(owner=OWNER).approve(debt, POOL, amount)
    return _named([approval, Markets(owner=PROTECTED).repay(debt, amount)])  # type: ignore[arg-type]


def _sum(random: Random) -> list[Named]:
    """One approval for two repayments."""
    on = Markets(owner=OWNER)
    debt = random.choice(BOUGHT)
    parts = [_amount(debt, random.randrange(1, LARGEST // 2)) for _ in range(2)]
    return _named([on.approve(debt, POOL, sum(parts)), *(on.repay(debt, part) for part in parts)])


def _isolated(random: Random) -> list[Named]:
    """Withdraw collateral of an isolated market, sell it, repay with the least that it brings."""
    on, market, value = Markets(owner=OWNER), IsolatedMarket(owner=OWNER), random.randrange(50, LARGEST)
    amount, minimum = _amount(WSTETH, value), _amount(USDC, value * random.randrange(970, 1000) // 1000)
    return _named([
        market.withdraw_collateral(WSTETH, amount), on.approve(WSTETH, ROUTER, amount),
        on.swap([(WSTETH, WETH, 100), (WETH, USDC, 500)], amount, minimum),
        market.approve(USDC, minimum), market.repay(USDC, minimum),
    ])  # fmt: skip


def _close_isolated(random: Random) -> list[Named]:
    """Repay all shares, take the rest of the approval back, take collateral and what is lent out."""
    market, value = IsolatedMarket(owner=OWNER), random.randrange(50, LARGEST)
    return _named([
        market.approve(USDC, _amount(USDC, value)), market.repay_shares(USDC, random.randrange(1, 2**128)),
        market.approve(USDC, 0), market.withdraw_collateral(WSTETH, _amount(WSTETH, value)),
        market.withdraw_shares(USDC, random.randrange(1, 2**128)),
    ])  # fmt: skip


def _perps(random: Random) -> list[Named]:
    """Reduce or close a perpetual, or add margin."""
    return random.choice(LEGAL_PERPS)(random, OWNER, PROTECTED)


ROUNDS = (
    _deleverage, _deleverage, _deleverage, _close, _repay, _repay_with_supply, _repay_for_another, _sum, _isolated,
    _close_isolated,
    _perps, _perps, _perps,
)  # fmt: skip


def _integer(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
