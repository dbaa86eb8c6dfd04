"""A loan of ether and a recorded short of as much, as their views and linear forms."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.account import account_from_state
from defilev.protocols.gmx_v2.check import EXACT_CHECK
from defilev.protocols.gmx_v2.state import PositionState
from defilev.report.health import HealthQuestion, HealthView, health_view
from defilev.report.perp import PerpView, perp_view
from tests.factories import LIMITS, PRICE_LIMITS, USDC, WETH, a_borrow, a_supply, an_account, exposure_of
from tests.support.gmx import read_gmx, recorded_tickers

__all__ = ["HEDGE", "HEDGE_FORMS", "LOAN", "LOAN_FORMS", "PLAIN", "STABLE"]

PLAIN = HealthQuestion(LIMITS, PRICE_LIMITS)


def short_of_weth() -> PerpView:
    """A recorded short of 50 ETH behind dollars, its index called WETH as on a public chain."""
    (account,) = read_gmx(["user3"], tickers=recorded_tickers())
    state: PositionState = account.state
    index = replace(state.index_price, token=replace(state.index_price.token, symbol="WETH"))
    account = account_from_state(replace(state, index_price=index, chain_id=1), self_check=EXACT_CHECK)
    return perp_view(account, exposure=GMX_V2.exposure(account, stable=STABLE), question=PLAIN)


def loan_of_weth(amount: Decimal) -> HealthView:
    account = an_account(a_supply(WETH, str(amount), "2772.55", rate="0.02"), a_borrow(USDC, "80000", "1", rate="0.05"))
    return health_view(account, exposure=exposure_of(account), question=PLAIN)


STABLE = frozenset({read_gmx(["user3"])[0].margin[0].asset.address})
HEDGE = short_of_weth()
LOAN = loan_of_weth(Decimal(HEDGE.account.legs[0].size_in_tokens).scaleb(-18))
_EQUITIES = {WETH.address: float(LOAN.balance.collateral_value), USDC.address: -float(LOAN.balance.debt_value)}
_FORMS = exposure_of(LOAN.account)
LOAN_FORMS = replace(_FORMS, terms=tuple(replace(term, equity=_EQUITIES[term.asset]) for term in _FORMS.terms))
HEDGE_FORMS = GMX_V2.exposure(HEDGE.account, stable=STABLE)
