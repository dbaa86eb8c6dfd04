"""The executor on a chain: whether it is there and is ours, where it goes, and what planning with it needs."""

from __future__ import annotations

from dataclasses import replace

from defilev.abi import executor_code, interface, keccak
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_one, token_symbol
from defilev.abi.wallet import decode_wallet, wallet_calls
from defilev.errors import CallReverted, ExecutorForeign, ExecutorMissing
from defilev.model.account import LendingAccount
from defilev.model.executor import ExecutorReach
from defilev.model.request import Address
from defilev.model.token import Token, Wallet
from defilev.pipeline.session import Session
from defilev.plan.atomic_inputs import AtomicInputs
from defilev.protocols import PROTOCOLS

__all__ = ["has_executor", "read_atomic", "verify_executor", "with_grants"]


def has_executor(session: Session) -> bool:
    """Return whether code stands at the executor's address; raises `ExecutorForeign` when it is not ours."""
    code = executor_code()
    found = session.node.code(code.address, block=session.block)
    if found and keccak(found) != code.runtime_hash:
        raise ExecutorForeign(
            f"the code at {code.address} is not the executor's",
            found="0x" + keccak(found).hex(),
            expected="0x" + code.runtime_hash.hex(),
        )
    return bool(found)


def verify_executor(session: Session) -> ExecutorReach:
    """Return where the executor goes on the session's chain, once the code there is known to be ours.

    Raises:
        ExecutorMissing: there is no code, or it lists nothing on this chain.
        ExecutorForeign: there is other code.
    """
    code = executor_code()
    if not has_executor(session):
        raise ExecutorMissing(
            f"the executor is not deployed on {session.book.chain_name}: no code at {code.address}",
            block=session.block.number,
        )
    router, morpho = (_listed(session, name) for name in ("router", "morpho"))
    if not session.node.code(router, block=session.block):
        raise ExecutorMissing(
            f"the executor lists no swap router on {session.book.chain_name}: no code at {router}",
            fix="leave out --via atomic: its lists are of Ethereum, Base, Arbitrum and Optimism",
        )
    return ExecutorReach(code.address, router, None if morpho == ZERO_ADDRESS else morpho)


def _listed(session: Session, name: str) -> Address:
    getter = interface("leverage_executor")[name]
    answer = session.node.call(getter.call(executor_code().address), block=session.block)
    if not answer.success:
        raise CallReverted(f"the executor does not answer {name}()", revert_data="0x" + answer.data.hex())
    found: Address = getter.decode_one(answer.data)
    return found


def read_atomic(session: Session, account: LendingAccount) -> AtomicInputs:
    """Return what planning with the executor needs for `account`; raises as `verify_executor` does."""
    reach = verify_executor(session)
    protocol = PROTOCOLS[account.protocol]
    supplied = [leg.asset for leg in account.legs if leg.side == "supply"]
    found = {asset: protocol.receipt(account, asset.address) for asset in supplied}
    receipts = {asset: receipt for asset, receipt in found.items() if receipt is not None}
    named = session.fetch([interface("erc20")["symbol"].call(receipt) for receipt in receipts.values()])
    is_pool = interface("leverage_executor")["isPool"]
    (listed,) = session.fetch([is_pool.call(reach.address, protocol.spender(account))])
    return AtomicInputs(
        reach,
        {
            asset.address: Token(receipt, token_symbol(receipt, symbol), asset.decimals)
            for (asset, receipt), symbol in zip(receipts.items(), named, strict=True)
        },
        is_pool_listed=bool(decode_one(is_pool, listed, what="executor")),
    )


def with_grants(session: Session, wallet: Wallet, atomic: AtomicInputs) -> Wallet:
    """Return the wallet with what the executor may take of each receipt too."""
    grants = [(token, atomic.reach.address) for token in atomic.receipts.values()]
    calls = wallet_calls(wallet.owner, (), grants)
    _, allowances = decode_wallet((), grants, session.fetch(calls) if calls else ())
    return replace(wallet, allowances=(*wallet.allowances, *allowances))
