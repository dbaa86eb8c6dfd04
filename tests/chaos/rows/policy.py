"""Rows F48, F51 and F52: what is never signed, and whether what is said of a signature is what was signed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from defilev.abi import Transaction, keccak
from defilev.errors import PolicyViolation
from defilev.execute.policy import check_plan, check_signed
from defilev.execute.remote_signer import RemoteSigner
from defilev.execute.transaction import TransactionFields
from defilev.model.account import LendingAccount
from defilev.model.plan import Action, Plan
from defilev.model.request import Address, Call
from defilev.model.token import Token
from defilev.protocols import PROTOCOLS
from defilev.units import UINT256_MAX
from tests.chaos import contact
from tests.chaos.arena import Arena
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check
from tests.support.world import ROOT
from tests.unit.policy_cases import STRANGER, Markets, a_plan

__all__ = ["ROWS"]

GWEI = 10**9
ALLOWANCES, POLICY = "defilev/execute/allowances.py", "defilev/execute/policy.py"
SIGNER_RULES, SIGNER_SUMMARY = "defilev_signer/rules.py", "defilev_signer/summary.py"
ILLEGAL_PER_TRIAL, LEGAL_PER_TRIAL = 100, 10

Made = tuple[Action, Transaction]


class Desk:
    """The owner's account as it is now, and calls on its behalf."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.account: LendingAccount = arena.world.read("main", [arena.owner])[0]
        router = Address(arena.world.description["uniswap_v3"]["swap_router_02"])
        self.on = Markets(pool=arena.world.pool("main"), router=router, owner=arena.owner)
        tokens = {token.symbol: token for token in PROTOCOLS["aave-v3"].tokens(self.account)}
        self.weth, self.usdc = tokens["WETH"], tokens["USDC"]

    def deleverage(self, amount: int) -> list[Made]:
        """Sell `amount` of WETH for at least 99.5 % of its worth, and repay that."""
        minimum = amount * self._price("WETH") * 995 // (self._price("USDC") * 1000 * 10**12)
        return [
            self.on.withdraw(self.weth, amount),
            self.on.approve(self.weth, self.on.router, amount),
            self.on.swap([(self.weth, self.usdc, 500)], amount, minimum),
            self.on.approve(self.usdc, self.on.pool, minimum),
            self.on.repay(self.usdc, minimum),
        ]

    def closing(self) -> list[Made]:
        """Repay everything from the wallet, and take the allowance back."""
        owed = next(leg.amount for leg in self.account.legs if leg.side == "borrow")
        limit = owed + owed // 1000
        return [
            self.on.approve(self.usdc, self.on.pool, limit),
            self.on.repay(self.usdc, None),
            self.on.approve(self.usdc, self.on.pool, 0),
        ]

    def plan(self, calls: Sequence[Made]) -> Plan:
        """Return the plan of these calls."""
        made = a_plan(calls, account=self.account, nonce=self.arena.nonce(), block=self.account.block)
        return replace(made, expires_at=made.block.timestamp + 10**6)

    def _price(self, symbol: str) -> int:
        return next(leg.price.value for leg in self.account.legs if leg.asset.symbol == symbol)


def _more(desk: Desk, calls: list[Made], random: Random) -> list[Made]:
    """Approve more than the next call takes."""
    place = random.choice([1, 3])
    _, call = calls[place]
    spender, amount = call.arguments
    calls[place] = desk.on.approve(
        _token(desk, call), spender, amount + random.choice([1, 10**6, UINT256_MAX - amount])
    )
    return calls


def _stranger(desk: Desk, calls: list[Made], random: Random) -> list[Made]:
    """Approve somebody else."""
    place = random.choice([1, 3])
    _, call = calls[place]
    calls[place] = desk.on.approve(_token(desk, call), STRANGER, call.arguments[1])
    return calls


def _unused(desk: Desk, calls: list[Made], random: Random) -> list[Made]:
    """Leave out the call that takes what was approved."""
    del calls[random.choice([2, 4])]
    return calls


def _extra(desk: Desk, calls: list[Made], random: Random) -> list[Made]:
    """Approve once more at the end."""
    return [*calls, desk.on.approve(desk.usdc, desk.on.pool, random.randrange(1, 10**12))]


def _not_taken_back(desk: Desk, calls: list[Made], random: Random) -> list[Made]:
    """Repay everything, and leave the rest of the allowance standing."""
    return desk.closing()[:2]


FAULTS: tuple[Callable[[Desk, list[Made], Random], list[Made]], ...] = (
    _more, _stranger, _unused, _extra, _not_taken_back,
)  # fmt: skip


def _token(desk: Desk, call: Transaction) -> Token:
    return desk.weth if call.to == desk.weth.address else desk.usdc


def left_allowance(stage: Stage, random: Random) -> Seen:
    """F48: a planner that leaves an allowance behind; neither this machine's policy nor the signer's lets it pass."""
    arena = stage.arena
    arena.begin()
    desk = Desk(arena)
    amount = random.randrange(10**17, 3 * 10**18)
    fault = FAULTS[stage.number % len(FAULTS)]
    plan = desk.plan(fault(desk, desk.deleverage(amount), random))
    sound = desk.plan(desk.closing() if fault is _not_taken_back else desk.deleverage(amount))
    wrong = check(
        **{f"the policy refuses{fault.__name__.replace('_', ' ')}": not _is_allowed(arena, plan)},
        **{f"the signer refuses{fault.__name__.replace('_', ' ')}": _signed(arena, plan) < len(plan.steps)},
        the_policy_allows_the_sound_plan=_is_allowed(arena, sound),
    )
    return Seen(wrong)


def _is_allowed(arena: Arena, plan: Plan) -> bool:
    session = contact.connected(arena.job())
    try:
        account = contact.look(session, arena.job())
        check_plan(plan, policy=contact.policy(session, account))
    except PolicyViolation:
        return False
    finally:
        session.close()
    return True


def _signed(arena: Arena, plan: Plan) -> int:
    """Ask the signer for every step's signature; return how many it gave before it refused."""
    signer = _signer(arena)
    signer.announce([Call(step.to, bytes.fromhex(step.data[2:])) for step in plan.steps])
    for place, step in enumerate(plan.steps):
        try:
            signer.sign(_fields(arena, step.to, bytes.fromhex(step.data[2:]), nonce=plan.nonce + place))
        except PolicyViolation:
            return place
    return len(plan.steps)


def _signer(arena: Arena, tell: Callable[[str], None] = lambda _: None) -> RemoteSigner:
    return RemoteSigner.connect(arena.signer.socket, owner=arena.owner, tell=tell)


def _fields(arena: Arena, to: Address, data: bytes, *, nonce: int) -> TransactionFields:
    return TransactionFields(arena.world.chain_id, nonce, GWEI, 4 * GWEI, 400_000, to, 0, data)


def compromised_planner(stage: Stage, random: Random) -> Seen:
    """F51: whoever talks to the signer asks for anything; `scripts/policy-trial` generates and counts."""
    script = ROOT / "scripts" / "policy-trial.d" / "trial.py"
    words = [
        "--illegal",
        str(ILLEGAL_PER_TRIAL),
        "--legal",
        str(LEGAL_PER_TRIAL),
        "--seed",
        str(random.randrange(10**9)),
    ]
    done = subprocess.run(
        [sys.executable, script, *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    trial: dict[str, Any] = json.loads(done.stdout)
    illegal, legal, control = trial["illegal"], trial["legal"], trial["without_a_policy"]
    wrong = check(
        nothing_illegal_is_signed=illegal["signed"] == 0 and illegal["refused_without_a_rule"] == 0,
        nothing_legal_is_refused=legal["refused"] == 0,
        without_a_policy_it_would_be_signed=control["signed"] > 0,
    )
    return Seen(wrong, {"illegal": illegal["generated"], "legal": legal["generated"], "signed": illegal["signed"]})


def summary_and_bytes(stage: Stage, random: Random) -> Seen:
    """F52: the calldata is changed after it was shown, or what is signed is not what was asked for."""
    arena = stage.arena
    arena.begin()
    desk = Desk(arena)
    first, second = random.sample(range(1, 10**10), 2)
    nonce = arena.nonce()
    shown = [_repaid(arena, desk, amount, nonce=nonce + place) for place, amount in enumerate((first, second))]
    (said, fields, raw), (said_again, other, _) = shown
    step = desk.plan([desk.on.repay(desk.usdc, first)]).steps[0]
    wrong = check(
        the_summary_has_the_amount_of_the_bytes=f"({first} of " in said[1] and f"({second} of " in said_again[1],
        the_summary_names_the_hash_that_is_signed=all(
            text[2] == f"signer: signing hash 0x{keccak(each.unsigned()).hex()}"
            for text, each in ((said, fields), (said_again, other))
        ),
        a_signature_over_other_bytes_is_refused=not _is_taken(
            raw, step, replace(fields, **_change(fields, random)), arena
        ),
        a_signature_over_these_bytes_is_taken=_is_taken(raw, step, fields, arena),
    )
    return Seen(wrong)


def _repaid(arena: Arena, desk: Desk, amount: int, *, nonce: int) -> tuple[list[str], TransactionFields, bytes]:
    """Have a repayment signed; return what the signer says of it, what was asked for, and the bytes."""
    said: list[str] = []
    _, call = desk.on.repay(desk.usdc, amount)
    fields = _fields(arena, call.to, call.data, nonce=nonce)
    raw = _signer(arena, said.append).sign(fields)
    return said, fields, raw


def _change(fields: TransactionFields, random: Random) -> dict[str, Any]:
    """Return one field with another value than was signed."""
    place = random.randrange(4, len(fields.data))
    data = fields.data[:place] + bytes([fields.data[place] ^ random.randrange(1, 256)]) + fields.data[place + 1 :]
    return random.choice([
        {"data": data}, {"to": STRANGER}, {"value": 1}, {"nonce": fields.nonce + 1}, {"chain_id": 1},
        {"gas_limit": fields.gas_limit + 1}, {"max_fee_per_gas": fields.max_fee_per_gas + 1},
    ])  # fmt: skip


def _is_taken(raw: bytes, step: Any, expected: TransactionFields, arena: Arena) -> bool:
    try:
        check_signed(raw, step, expected=expected, owner=arena.owner)
    except PolicyViolation:
        return False
    return True


ROWS = (
    Row(
        "F48",
        "a planner that leaves an allowance behind",
        "a plan's approval is larger than what is taken, for a stranger, unused, one too many, or not taken "
        "back after everything is repaid",
        "the machine's policy and the signer's both refuse, each alone; the sound plan is allowed",
        left_allowance,
        (
            Mutant(ALLOWANCES, "exact < amount <= limit and replaced", "exact < amount <= limit"),
            Mutant(ALLOWANCES, "amount == exact, amount,", "amount >= exact, amount,"),
            Mutant(SIGNER_RULES, "action.amount == sum(taken), action.amount,", "True, action.amount,"),
            Mutant(SIGNER_RULES, '"allowance afterwards", is_replaced,', '"allowance afterwards", True,'),
        ),
        quick=5,
    ),
    Row(
        "F51",
        "a compromised planner asks the signer for anything",
        f"{ILLEGAL_PER_TRIAL} illegal and {LEGAL_PER_TRIAL} legal transactions a trial from `scripts/policy-trial` "
        "to a signer's process",
        "nothing illegal is signed, nothing legal is refused; without a policy some would be signed",
        compromised_planner,
        (
            Mutant(
                SIGNER_RULES,
                "transaction.chain_id == policy.chain_id, transaction.chain_id",
                "True, transaction.chain_id",
            ),
            Mutant(SIGNER_RULES, "transaction.value == 0, transaction.value", "True, transaction.value"),
            Mutant("defilev_signer/transaction.py", "if payload[:1] != _TYPE:", "if False:"),
            Mutant(SIGNER_RULES, "action.minimum_out >= lowest, action.minimum_out", "True, action.minimum_out"),
            Mutant(
                SIGNER_RULES,
                '    _require(rule, found <= most, found, f"up to {most}")',
                "    _require(rule, found != most, found, most)",
            ),
        ),
        quick=1,
    ),
    Row(
        "F52",
        "the summary is not of the bytes that are signed",
        "the amount is changed after it was shown; one field of what was asked for differs from what is signed",
        "the summary follows the bytes and names their hash; a signature over anything else is not used",
        summary_and_bytes,
        (
            Mutant(SIGNER_SUMMARY, "({amount} of {place})", "({amount // 1000} of {place})"),
            Mutant(SIGNER_SUMMARY, "signing hash 0x{transaction.signing_hash.hex()}", "signing hash 0x{'00' * 32}"),
            Mutant(
                POLICY,
                'Check(f"signed {field.name}", found == wanted, found, wanted)',
                'Check(f"signed {field.name}", True, found, wanted)',
            ),
        ),
    ),
)
