"""Transfer events as movements of tokens, and what they come to for a wallet; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from defilev.abi import keccak
from defilev.abi.address import ZERO_ADDRESS, address_from_word
from defilev.chain.values import Log
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address
from defilev.model.simulation import TokenMovement
from defilev.model.token import Token

__all__ = ["movements", "wallet_changes"]

_TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()


def movements(logs: Iterable[Log], tokens: Sequence[Token]) -> tuple[TokenMovement, ...]:
    """Return the ERC-20 transfers among `logs`, named where `tokens` has the token."""
    known = {token.address: token for token in tokens}
    return tuple(_movement(log, known.get(log.address)) for log in logs if _is_transfer(log))


def wallet_changes(moved: Iterable[TokenMovement], *, owner: Address, probe: ProbeCalls) -> tuple[TokenMovement, ...]:
    """Return per token what `owner` gained or lost in sum; the other side of each is the zero address.

    Tokens that stand for the position itself are left out, and so is what came to nothing.
    """
    changes: dict[Address, int] = {}
    samples: dict[Address, TokenMovement] = {}
    for movement in moved:
        if owner in (movement.sender, movement.recipient) and movement.token not in probe.position_tokens:
            samples.setdefault(movement.token, movement)
            gained = (movement.recipient == owner) - (movement.sender == owner)
            changes[movement.token] = changes.get(movement.token, 0) + gained * movement.amount
    return tuple(_change(samples[token], owner, change) for token, change in changes.items() if change)


def _is_transfer(log: Log) -> bool:
    """Whether it is an ERC-20 transfer: an ERC-721 one has its third topic in place of data."""
    return len(log.topics) == 3 and log.topics[0] == _TRANSFER and len(log.data) == 32


def _movement(log: Log, token: Token | None) -> TokenMovement:
    return TokenMovement(
        token=log.address,
        symbol=token.symbol if token else None,
        decimals=token.decimals if token else None,
        sender=address_from_word(int(log.topics[1], 16)),
        recipient=address_from_word(int(log.topics[2], 16)),
        amount=int.from_bytes(log.data, "big"),
    )


def _change(sample: TokenMovement, owner: Address, change: int) -> TokenMovement:
    sender, recipient = (ZERO_ADDRESS, owner) if change > 0 else (owner, ZERO_ADDRESS)
    return TokenMovement(sample.token, sample.symbol, sample.decimals, sender, recipient, abs(change))
