"""Who signs: the only holder of an opened private key, which it never shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from defilev.errors import KeyFailure
from defilev.execute.keystore import address_of, open_keystore
from defilev.execute.safe_calls import typed_data
from defilev.execute.secret import Secret
from defilev.execute.transaction import TransactionFields
from defilev.model.request import Address, Call
from defilev.model.safe import SafeTransaction

__all__ = ["KeystoreSigner", "Signer"]


class Signer(Protocol):
    """Signs for one account."""

    @property
    def address(self) -> Address: ...

    def announce(self, calls: Sequence[Call]) -> None:
        """Hear which calls will be signed, in their order; said before the first of them."""
        ...

    def sign(self, fields: TransactionFields) -> bytes:
        """Return the signed type 2 transaction as a node accepts it; the caller checks it. Raises `KeyFailure`."""
        ...


class KeystoreSigner:
    """Signs with the key of a keystore that was opened once."""

    __slots__ = ("_address", "_key")

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._address = address_of(key)

    @classmethod
    def unlock(cls, path: Path, *, password: Secret, owner: Address) -> KeystoreSigner:
        """Open `owner`'s keystore, which takes seconds; raises as `open_keystore` does."""
        return cls(open_keystore(path, password=password, owner=owner))

    @property
    def address(self) -> Address:
        return self._address

    def announce(self, calls: Sequence[Call]) -> None:
        """Nothing to do: the policy of this process has seen the whole plan."""

    def sign(self, fields: TransactionFields) -> bytes:
        """Return the signed type 2 transaction.

        Raises:
            KeyFailure: the library refused the fields; its own message, which might quote the key, is dropped.
        """
        from eth_account import Account

        try:
            signed = Account.sign_transaction(_as_dictionary(fields), self._key.reveal())
        except Exception:  # noqa: BLE001 - whatever the library raises may quote its arguments, and the key is one of them
            raise KeyFailure("the transaction could not be signed", fix="nothing was sent; report the plan") from None
        return bytes(signed.raw_transaction)

    def sign_safe(self, chain_id: int, safe: Address, transaction: SafeTransaction) -> bytes:
        """Return an owner's signature of a Safe's transaction, 65 bytes with `v` last; the caller checks it.

        Raises:
            KeyFailure: the library refused the fields; its own message, which might quote the key, is dropped.
        """
        from eth_account import Account

        try:
            message = typed_data(chain_id, safe, transaction)
            signed = Account.sign_typed_data(self._key.reveal(), full_message=message)
        except Exception:  # noqa: BLE001 - whatever the library raises may quote its arguments, and the key is one of them
            raise KeyFailure("the bundle could not be signed", fix="make the bundle again") from None
        return bytes(signed.signature)

    def __repr__(self) -> str:
        return f"KeystoreSigner({self._address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not copied or serialised")


def _as_dictionary(fields: TransactionFields) -> dict[str, Any]:
    return {
        "type": 2,
        "chainId": fields.chain_id,
        "nonce": fields.nonce,
        "maxPriorityFeePerGas": fields.max_priority_fee_per_gas,
        "maxFeePerGas": fields.max_fee_per_gas,
        "gas": fields.gas_limit,
        "to": fields.to,
        "value": fields.value,
        "data": fields.data,
        "accessList": [],
    }
