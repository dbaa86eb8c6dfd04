"""The health view, its JSON document and its text."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.model.account import LendingAccount, Notice, SelfCheck
from defilev.model.request import Address
from defilev.report.figures import NARROW_SPACE
from defilev.report.health import HealthQuestion, health_view
from defilev.report.health_json import health_document
from defilev.report.health_report import HealthReport
from defilev.report.health_text import health_text
from defilev.report.ink import ink, plain
from defilev.report.scenario import NamedShock
from tests.factories import (
    BLOCK,
    DAI,
    ETH_FEED,
    LIMITS,
    OWNER,
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

ASKED = HealthQuestion(
    LIMITS,
    PRICE_LIMITS,
    changes=(Decimal("-0.10"), Decimal("-0.20"), Decimal("-0.30")),
    shocks=(NamedShock("WETH", Decimal("-0.05"), frozenset({ETH_FEED})),),
)
PLAIN = HealthQuestion(LIMITS, PRICE_LIMITS)
OTHER = Address("0x1212121212121212121212121212121212121212")

SAMPLE = an_account(
    a_supply(WSTETH, "42.5", "3912.40", threshold=8100, rate="0.0302"),
    a_borrow(USDC, "98400", "0.9999", rate="0.039"),
)
LOOP = an_account(
    a_supply(WSTETH, "100", "3660", threshold=9500, rate="0.0001"),
    a_borrow(WETH, "110.380952380952380952", "3000", rate="0.0217"),
)
MIXED = an_account(
    a_supply(WETH, "20", "3000"),
    a_supply(WSTETH, "10", "3660", threshold=8100),
    a_supply(WBTC, "1", "90000", threshold=7800),
    a_borrow(USDC, "60000", "1"),
    a_borrow(DAI, "30000", "1"),
)
UNDER = an_account(a_supply(WETH, "50", "3000"), a_borrow(USDC, "124600", "1"))
IDLE = an_account(a_supply(WETH, "10", "3000"), a_supply(WBTC, "2", "90000", idle=True), a_borrow(DAI, "10000", "1"))
DEBT_FREE = an_account(a_supply(WSTETH, "30", "3660", threshold=8100))
DUST = an_account(a_supply(WETH, "1", "3000"), a_borrow(USDC, "0.000004", "1"))
SHORT = an_account(a_supply(USDC, "200000", "1", threshold=7800), a_borrow(WETH, "30", "3000"))
ALL = (SAMPLE, LOOP, MIXED, UNDER, IDLE, DEBT_FREE, DUST, SHORT, an_account())


def _report(*accounts: LendingAccount, question: HealthQuestion = PLAIN, name: str | None = None) -> HealthReport:
    views = tuple(
        health_view(account, exposure=exposure_of(account), question=question, name=name) for account in accounts
    )
    return a_report(*views)


def _text(*accounts: LendingAccount, question: HealthQuestion = PLAIN, width: int = 80) -> str:
    text = health_text(_report(*accounts, question=question), width=width, ink=plain)
    return text.replace(NARROW_SPACE, " ")


def _document(account: LendingAccount, question: HealthQuestion = PLAIN) -> dict[str, Any]:
    document: dict[str, Any] = health_document(_report(account, question=question))["accounts"][0]
    return document


def test_every_kind_of_account_satisfies_the_schema(repository: Path) -> None:
    """The document of any account is valid against the published schema."""
    schema = json.loads((repository / "docs/schemas/health.schema.json").read_text())
    document = health_document(replace(_report(*ALL, question=ASKED, name="main"), without_position=(OTHER,)))

    Draft202012Validator.check_schema(schema)
    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def test_the_document_of_the_sample_position() -> None:
    """The figures of the documented position, field by field, in the documented shape."""
    document = _document(SAMPLE, ASKED)

    assert {"wad": str(SAMPLE.health_factor), "decimal": "1.368880485609536563"} == document["health_factor"]
    assert {"wad": str(SAMPLE.health_factor)} == document["contract_health_factor"]
    assert "LOW" == document["status"]
    assert ["166277.00", "98390.16", "67886.84"] == [
        document[key] for key in ("collateral_value", "debt_value", "equity_value")
    ]
    assert ["2.449326", "0.591724", "0.8100"] == [
        document[key] for key in ("leverage", "loan_to_value", "liquidation_threshold")
    ]
    assert {"raw": "42500000000000000000", "decimal": "42.5"} == document["legs"][0]["amount"]
    assert ["3912.40", "166277.00", "0.8100", True, "0.0302"] == [
        document["legs"][0][key] for key in ("price", "value", "liquidation_threshold", "used_as_collateral", "rate")
    ]
    assert "2858.102" == document["liquidation"][0]["price"]
    assert "-0.269476" == document["liquidation"][0]["distance"]
    assert ["1.231992", "1.095104", "0.958216"] == [row["health_factor"] for row in document["stress"]]
    assert ["LOW", "DANGER", "LIQUIDATABLE"] == [row["status"] for row in document["stress"]]


def test_no_number_in_the_document_is_a_float() -> None:
    """Money and ratios are strings; the integers left are counts, ids and times."""

    def floats(part: Any) -> list[float]:
        if isinstance(part, dict):
            return [found for value in part.values() for found in floats(value)]
        if isinstance(part, list):
            return [found for value in part for found in floats(value)]
        return [part] if isinstance(part, float) else []

    assert [] == floats(health_document(_report(*ALL, question=ASKED)))


def test_without_debt_there_is_no_health_factor() -> None:
    """Nothing owed: no health factor, no liquidation price, status OK, leverage one."""
    document = _document(DEBT_FREE, ASKED)

    assert [None, None, "OK", "1.0000", [], [], None] == [
        document[key]
        for key in (
            "health_factor",
            "contract_health_factor",
            "status",
            "leverage",
            "liquidation",
            "liquidation_by_ratio",
            "days_to_liquidation_by_interest",
        )
    ]
    assert [None, "OK"] == [document["stress"][0][key] for key in ("health_factor", "status")]


def test_debt_beyond_collateral_has_no_leverage() -> None:
    """Without equity there is no leverage and no carry on it, rather than a negative one."""
    under_water = an_account(a_supply(WETH, "1", "3000"), a_borrow(USDC, "4000", "1"))

    assert [None, None, "-1000.00", "LIQUIDATABLE"] == [
        _document(under_water)[key] for key in ("leverage", "net_carry", "equity_value", "status")
    ]


def test_idle_supply_is_listed_and_in_no_total() -> None:
    """Supply that is not enabled has a leg and its own total, and counts for nothing else."""
    document = _document(IDLE)

    assert [("WETH", True), ("WBTC", False), ("DAI", False)] == [
        (leg["asset"]["symbol"], leg["used_as_collateral"]) for leg in document["legs"]
    ]
    assert ["180000.00", "30000.00"] == [document[key] for key in ("idle_value", "collateral_value")]


def test_a_loop_is_described_by_its_ratio_and_its_days() -> None:
    """For wstETH against WETH: the ratio that liquidates, no driver price, and the days that interest takes."""
    document = _document(LOOP)

    assert [] == document["liquidation_by_driver"]
    assert {
        "collateral": "wstETH",
        "debt": "WETH",
        "ratio": "1.1619048",
        "ratio_now": "1.22",
        "distance": "-0.047619",
        "independent": True,
    } == document["liquidation_by_ratio"][0]
    assert 820 < float(document["days_to_liquidation_by_interest"]) < 826


def test_a_common_driver_has_an_entry_with_all_its_assets() -> None:
    """WETH and wstETH have one driver entry with both prices, beside the one of WBTC."""
    by_driver = {entry["driver"]: entry for entry in _document(MIXED)["liquidation_by_driver"]}

    assert ["WETH", "wstETH"] == [asset["asset"] for asset in by_driver["WETH"]["assets"]]
    assert "below" == by_driver["WETH"]["side"]
    assert "WBTC" in by_driver


def test_a_shock_says_what_it_moved() -> None:
    """Naming WETH moves wstETH, and the document lists it."""
    shock = _document(SAMPLE, ASKED)["shock"]

    assert [{"name": "WETH", "shock": "-0.05", "assets": ["wstETH"]}] == shock["moves"]
    assert "1.300436" == shock["health_factor"]


def test_a_stale_price_is_a_named_warning_and_changes_no_figure() -> None:
    """An old price adds `stale-price` and leaves every figure as it is."""
    old = a_price(WETH, "3000", updated_at=BLOCK.timestamp - 100_000)
    fresh = _document(an_account(a_supply(WETH, "50", "3000"), a_borrow(USDC, "60000", "1")))
    stale = _document(an_account(a_supply(WETH, "50", old), a_borrow(USDC, "60000", "1")))

    assert ["stale-price"] == [warning["name"] for warning in stale["warnings"]]
    assert fresh["health_factor"] == stale["health_factor"]
    assert fresh["liquidation"] == stale["liquidation"]


def test_the_text_of_the_sample_position() -> None:
    """The documented picture, line by line, at 80 columns."""
    assert [
        "aave-v3 main · ethereum · block 23 871 204 (latest, 11 s ago)",
        f"{OWNER} · matches the contract",
        "",
        "  health factor   1.369  LOW            leverage   2.45×",
        "  loan-to-value   59.17 %  of 81.00 %   equity     $67 886.84",
        "  net carry       +1.74 %/yr  (supply 3.02 %  borrow 3.90 %)",
        "  liquidation     wstETH below $2 858.10  (−26.9 % from $3 912.40)",
        "",
        "  leg      amount                 price         value   threshold      rate",
        "  supply      42.500 wstETH   $3 912.40   $166 277.00     81.00 %   +3.02 %",
        "  borrow   98 400.00 USDC       $0.9999    $98 390.16           —   −3.90 %",
        "",
        "  stress          wstETH −10 %  1.232 LOW     −20 %  1.095 DANGER",
        "                  −30 %  0.958 LIQUIDATABLE",
        "  shock           WETH −5 % (with wstETH)  → 1.300 LOW",
    ] == _text(SAMPLE, question=ASKED).splitlines()


@pytest.mark.parametrize("width", [80, 140])
def test_lines_fit_the_terminal(width: int) -> None:
    """No line of any account is wider than the terminal."""
    assert [] == [line for line in _text(*ALL, question=ASKED, width=width).splitlines() if len(line) > width]


def test_a_whale_fits_too() -> None:
    """Columns that do not fit are left out from the least needed, and amounts are never cut."""
    whale = an_account(
        a_supply(WETH, "123456789.123", "3000.12"), a_borrow(USDC, "98765432198.76", "1.0001"), owner=OTHER
    )
    text = _text(whale)

    assert [] == [line for line in text.splitlines() if len(line) > 80]
    assert "123 456 789.12 WETH" in text
    assert "98 765 432 198.76 USDC" in text


def test_a_loop_in_words() -> None:
    """A pair on one driver reads as a ratio at any price, and in days."""
    text = _text(LOOP, width=140)

    assert "wstETH/WETH below 1.1619  (−4.7 % from 1.2200)  at any price of WETH" in text
    assert "interest alone: in 824 d at today's rates, prices unchanged" in text


def test_a_short_is_liquidated_above() -> None:
    """For volatile debt the text says above, and a rise."""
    assert "WETH above $5 200.00  (+73.3 % from $3 000.00)" in _text(SHORT)


def test_a_liquidatable_account_reads_what_would_save_it() -> None:
    """Below one the price is what it must be above, and the status is a word."""
    text = _text(UNDER)

    assert "0.999  LIQUIDATABLE" in text
    assert "WETH must be above $3 002.41  (+0.08 % from $3 000.00)" in text


def test_several_volatile_assets_have_a_common_move() -> None:
    """The fall of everything but stablecoins together stands beside each price alone."""
    text = _text(MIXED)

    assert "WETH below $747.68  (−75.0 % from $3 000.00)  with wstETH" in text
    assert "all but stablecoins −39.8 % together" in text


def test_a_stablecoin_is_named_when_nothing_else_liquidates() -> None:
    """An account on stablecoins only has their price as its liquidation price."""
    stables = an_account(a_supply(USDC, "100000", "1", threshold=7800), a_borrow(DAI, "70000", "1"))

    assert "USDC below $0.8974  (−10.2 % from $1.0000)" in _text(stables)


def test_an_account_without_a_position_is_one_sentence() -> None:
    """An empty account has its heading and says that there is no position."""
    assert "  no position" == _text(an_account()).splitlines()[-1]


def test_owners_without_any_position_are_named() -> None:
    """An owner that has nothing in any market asked for is told by the whole address."""
    report = replace(_report(SAMPLE), without_position=(OTHER,))

    assert f"{OTHER}: no position in the markets asked for" == health_text(report, width=80, ink=plain).splitlines()[-1]


def test_many_accounts_begin_with_a_summary_worst_first() -> None:
    """From six accounts on, a table stands first: the lowest health, then up to the debt-free, then the total."""
    lines = _text(*ALL, width=140).splitlines()

    assert ["account", "market", "health", "status", "leverage", "equity", "nearest", "liquidation"] == lines[0].split()
    assert "0.999   LIQUIDATABLE" in lines[1]
    assert "wstETH/WETH −4.7 %" in lines[2]
    assert "— " in lines[8]
    assert lines[9].split()[:3] == ["total", "0.999", "LIQUIDATABLE"]
    assert "" == lines[10]


def test_long_names_lose_their_middle_before_a_figure_is_left_out() -> None:
    """At 80 columns the equity stays beside the longest names, at 140 everything does."""
    label = "PT-sUSDE-27NOV2025/USDC-91.5%"
    isolated = replace(SAMPLE, protocol="morpho-blue", market="0x" + "12" * 32, market_label=label)
    report = _report(*[isolated] * 5, DUST, name="the-cold-wallet-of-the-house")
    narrow, wide = (health_text(report, width=width, ink=plain).splitlines()[:7] for width in (80, 140))

    assert ["account", "market", "health", "status", "equity"] == narrow[0].split()
    assert ["the-c…-house", "morpho", "PT-sUSDE…SDC-91.5%", "1.369", "LOW"] == narrow[1].split()[:5]
    assert f">10{NARROW_SPACE}000" in narrow[6]
    assert f"the-cold-wallet-of-the-house   morpho-blue {label}" in wide[1]
    assert "nearest liquidation" in wide[0]


def test_long_symbols_fit_as_well() -> None:
    """Where a position's own symbols are long the price goes before the amounts and values do."""
    token = replace(USDC, symbol="PT-sUSDE-27NOV2025-x")
    account = replace(an_account(a_supply(token, "1234567.89", "0.9")), quote="vaultUSDC")
    lines = _text(account).splitlines()

    assert [] == [line for line in lines if len(line) > 80]
    assert [line.split() for line in lines if line.startswith("  leg")] == [["leg", "amount", "value"]]


def test_few_accounts_have_no_summary() -> None:
    """Five accounts are five blocks and nothing before them."""
    assert _text(SAMPLE, LOOP, MIXED, UNDER, IDLE).startswith("aave-v3 main")


def test_idle_supply_and_warnings_are_shown_in_words() -> None:
    """An idle leg is called idle, and a warning stands under the table with its name."""
    noticed = replace(IDLE, warnings=(Notice("frozen-reserve", "WBTC is frozen"),))
    text = _text(noticed)

    assert "idle" in text
    assert "not enabled" in text
    assert "  warning         frozen-reserve: WBTC is frozen" in text


def test_what_was_not_checked_says_why() -> None:
    """A state that no contract has is not said to match one."""
    predicted = replace(SAMPLE, self_check=SelfCheck("unchecked", "a predicted state"))

    assert "not checked: a predicted state" in _text(predicted)


def test_a_symbol_cannot_steer_the_terminal() -> None:
    """Escape codes in a token's symbol are not passed on."""
    hostile = replace(WETH, symbol="\x1b[2JWETH\n")
    account = an_account(a_supply(hostile, "50", "3000"), a_borrow(USDC, "60000", "1"))

    assert "\x1b" not in _text(account, question=ASKED)


def test_colour_follows_the_status_and_changes_no_character() -> None:
    """With colour the words are the same, escape codes apart."""
    coloured = health_text(_report(UNDER, question=ASKED), width=80, ink=ink(color=True))
    codes = ("\x1b[1;37;41m", "\x1b[0m", "\x1b[2m", "\x1b[1m")
    stripped = coloured
    for code in codes:
        stripped = stripped.replace(code, "")

    assert "\x1b[1;37;41mLIQUIDATABLE\x1b[0m" in coloured
    assert health_text(_report(UNDER, question=ASKED), width=80, ink=plain) == stripped


def test_an_old_block_is_told_by_its_date() -> None:
    """A block asked for by number, or older than a day, has its time in UTC."""
    report = _report(SAMPLE)
    report = replace(report, chains=(replace(report.chains[0], block_name=None, age=90_000_000),))

    assert "(2026-01-01 00:00:00 UTC)" in health_text(report, width=140, ink=plain).splitlines()[0]
