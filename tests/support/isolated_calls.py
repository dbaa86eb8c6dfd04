"""The calls of one market of Morpho Blue, built without a state: for the policy and for the signer."""

from __future__ import annotations

from typing import Any

from defilev.abi import Transaction, interface
from defilev.model.plan import Action, Approve, Repay, Withdraw
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.protocols.morpho_blue.state import MarketParams
from tests.factories import OWNER, USDC, WSTETH

__all__ = ["MORPHO", "OTHER_MARKET", "PARAMS", "IsolatedMarket"]

MORPHO = Address("0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb")
PARAMS = MarketParams(
    loan_token=USDC.address,
    collateral_token=WSTETH.address,
    oracle=Address("0x48F7E36EB6B826B2dF4B2E630B62Cd25e89E40e2"),
    irm=Address("0x870aC11D48B15DB9a138Cf899d20F13F79Ba00BC"),
    lltv=860_000_000_000_000_000,
)
"""A market of Ethereum, as blue-sdk's examples have it."""
OTHER_MARKET = MarketParams(USDC.address, WSTETH.address, OWNER, PARAMS.irm, PARAMS.lltv)
"""The same with an oracle that its maker chose."""


class IsolatedMarket:
    """A market that calls are made to."""

    def __init__(self, params: MarketParams = PARAMS, *, owner: Address = OWNER) -> None:
        self.params = params
        self.owner = owner

    def withdraw_collateral(self, token: Token, amount: int) -> tuple[Action, Transaction]:
        """Take collateral out."""
        return Withdraw(token, amount), self.call("withdrawCollateral", amount, self.owner, self.owner)

    def withdraw_shares(self, token: Token, shares: int) -> tuple[Action, Transaction]:
        """Take out all that is lent."""
        return Withdraw(token, None), self.call("withdraw", 0, shares, self.owner, self.owner)

    def repay(self, token: Token, amount: int) -> tuple[Action, Transaction]:
        """Pay back a part."""
        return Repay(token, amount), self.call("repay", amount, 0, self.owner, b"")

    def repay_shares(self, token: Token, shares: int) -> tuple[Action, Transaction]:
        """Pay back everything."""
        return Repay(token, None, shares=shares), self.call("repay", 0, shares, self.owner, b"")

    def approve(self, token: Token, amount: int) -> tuple[Action, Transaction]:
        """Let the contract take `amount`."""
        call = Transaction(token.address, token.symbol, interface("erc20")["approve"], (MORPHO, amount))
        return Approve(token, MORPHO, "morpho blue", amount), call

    def call(self, name: str, *arguments: Any) -> Transaction:
        """Any function that begins with the market's parameters."""
        return Transaction(MORPHO, "morpho blue", interface("morpho_blue")[name], (self.params.words, *arguments))
