"""Reads what an account holds outside the protocols, and who may take of it."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi.wallet import decode_wallet, wallet_calls
from defilev.model.request import Address, Read
from defilev.model.token import Allowance, Token, TokenBalance, Wallet
from defilev.observe.drive import drive
from defilev.pipeline.session import Session

__all__ = ["read_wallet"]


def read_wallet(session: Session, owner: Address, *, tokens: Sequence[Token], spenders: Sequence[Address]) -> Wallet:
    """Return what `owner` holds at the session's block, and what each of `spenders` may take of each of `tokens`.

    Raises:
        CallReverted: a token does not tell a balance or an allowance.
    """
    node, block = session.node, session.block
    balances, allowances = drive(_read_tokens(owner, tokens, spenders), session.fetch)
    return Wallet(
        owner=owner,
        native=node.balance(owner, block=block),
        nonce=node.nonce(owner, block=block),
        has_code=bool(node.code(owner, block=block)),
        balances=balances,
        allowances=allowances,
    )


def _read_tokens(
    owner: Address, tokens: Sequence[Token], spenders: Sequence[Address]
) -> Read[tuple[tuple[TokenBalance, ...], tuple[Allowance, ...]]]:
    grants = [(token, spender) for token in tokens for spender in spenders]
    return decode_wallet(tokens, grants, (yield wallet_calls(owner, tokens, grants)))
