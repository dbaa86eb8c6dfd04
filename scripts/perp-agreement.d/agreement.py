"""Compare three liquidation prices of each recorded position of GMX: of the linear forms, the account, the contract."""

from __future__ import annotations

from defilev.model.perp import PerpAccount
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.state import PositionState
from defilev.risk.forms import margin, terms_of
from tests.support.gmx import EXPECTED, GMX, read_gmx, recorded_tickers


def of_forms(account: PerpAccount) -> float:
    """Return the index price at which capacity is requirement, the collateral moving too where it is the index."""
    exposure, leg = GMX_V2.exposure(account, stable=frozenset()), account.legs[0]
    moving = terms_of(exposure, leg.mark.driver)
    return -(margin(exposure.terms) - margin(moving)) / margin(moving) * leg.mark.value


def turning(key: str) -> int:
    """Return the recorded price, first one on the safe side, at which a keeper's verdict turns."""
    recorded = next(figures["flip"] for figures in EXPECTED.values() if figures["key"] == key)
    return int(recorded["above"] if recorded["liquidatableBelow"] else recorded["below"])


def rows() -> list[str]:
    """Return a line for each position: what it is, how far the forms are, and how far the contract's verdict is."""
    names = {figures["key"]: name for name, figures in EXPECTED.items()}
    accounts = read_gmx(tuple(GMX.document["accounts"]), tickers=recorded_tickers())
    head = f"{'position':<37}{'kind':<14}{'forms':>9}{'contract':>10}"
    return [head, *(_row(names[account.market], account) for account in accounts)]


def _row(name: str, account: PerpAccount) -> str:
    state: PositionState = account.state
    own = account.legs[0].liquidation_price
    assert own is not None  # noqa: S101 - every recorded position has one
    kind = "index margin" if state.is_index_collateral else "linear"
    forms, contract = abs(of_forms(account) / own - 1), abs(own / turning(account.market) - 1)
    return f"{name:<37}{kind:<14}{_shown(forms):>9}{_shown(contract):>10}"


def _shown(difference: float) -> str:
    """Return a relative difference rounded up to one digit; what floating point cannot tell from none is none."""
    return "< 1e-12" if difference < 1e-12 else f"{difference:.0e}"


if __name__ == "__main__":
    print("\n".join(rows()))
