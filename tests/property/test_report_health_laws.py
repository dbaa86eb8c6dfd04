"""Laws of the health report over random accounts."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator

from defilev.model.account import Leg, LendingAccount
from defilev.model.token import Token
from defilev.report.health import HealthQuestion, health_view
from defilev.report.health_json import health_document
from defilev.report.health_report import HealthReport
from defilev.report.health_text import health_text
from defilev.report.ink import plain
from defilev.units import to_decimal
from tests.factories import (
    DAI,
    LIMITS,
    PRICE_LIMITS,
    USDC,
    WBTC,
    WETH,
    WSTETH,
    a_borrow,
    a_price,
    a_report,
    a_supply,
    an_account,
    exposure_of,
)

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs/schemas/health.schema.json").read_text(encoding="utf-8"))
)
TOKENS = (WETH, WSTETH, WBTC, USDC, DAI)
QUESTION = HealthQuestion(LIMITS, PRICE_LIMITS, changes=(Decimal("-0.1"), Decimal("-0.999"), Decimal(100)))


@st.composite
def accounts(draw: st.DrawFn) -> LendingAccount:
    """Accounts of up to five assets on either side, from one base unit to billions of tokens, prices from 1e-8 up."""

    def price(token: Token) -> str:
        return str(to_decimal(draw(st.integers(1, 10**14)), 8))

    def amount(token: Token) -> str:
        return str(to_decimal(draw(st.integers(1, 10 ** (token.decimals + 9))), token.decimals))

    legs: list[Leg] = []
    for token in draw(st.lists(st.sampled_from(TOKENS), max_size=5, unique=True)):
        at = a_price(token, price(token), updated_at=draw(st.none() | st.integers(0, 2**32)))
        sides = draw(st.sampled_from(("supply", "borrow", "both", "idle")))
        if sides != "borrow":
            threshold = draw(st.integers(0, 9_999))
            legs.append(a_supply(token, amount(token), at, threshold=threshold, idle=sides == "idle"))
        if sides in {"borrow", "both"}:
            legs.append(a_borrow(token, amount(token), at, rate=str(draw(st.integers(0, 500)) / Decimal(100))))
    return an_account(*legs)


def _report(account: LendingAccount) -> HealthReport:
    view = health_view(account, exposure=exposure_of(account), question=QUESTION)
    return a_report(view)


@given(accounts())
def test_every_document_satisfies_the_schema(account: LendingAccount) -> None:
    """Whatever the account, its document is valid and its integers are the account's own."""
    document = health_document(_report(account))

    assert [] == [error.message for error in SCHEMA.iter_errors(document)]
    (entry,) = document["accounts"]
    assert [str(leg.amount) for leg in account.legs] == [leg["amount"]["raw"] for leg in entry["legs"]]
    assert to_decimal(account.debt_value, 8) == Decimal(entry["debt_value"])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@given(accounts(), st.sampled_from((80, 140)))
def test_every_line_fits_the_terminal(account: LendingAccount, width: int) -> None:
    """Whatever the account, no line is wider than the terminal, and every token's symbol is there."""
    text = health_text(_report(account), width=width, ink=plain)

    assert [] == [line for line in text.splitlines() if len(line) > width]
    assert all(leg.asset.symbol in text for leg in account.legs)
