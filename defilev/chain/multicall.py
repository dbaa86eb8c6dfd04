"""Many calls at one pinned block, in few round trips, each answered as if it had been made alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from defilev.abi import interface
from defilev.chain.aggregate3 import call_size, decode_results, encode_calls
from defilev.chain.node import Node
from defilev.errors import BlockUnavailable, NotDeployed, RpcMalformed, RpcRejected
from defilev.model.request import Address, Block, Call, CallResult, links

__all__ = ["PinnedReader"]

Piece: TypeAlias = tuple[Call, ...]

_LARGEST_CHUNK = 500
_LARGEST_CALLDATA = 200_000
_SMALLEST_CHUNK = 50
"""What a node that finds chunks too much is asked next; a single expensive call does not make it less."""

_GAS_PROBE = Call(Address("0x" + "0" * 39 + "8"), b"")
"""The pairing precompile without input: 45,000 gas and next to no work.

A call inside `aggregate3` that runs out of gas looks like a revert without a reason, and leaves a 64th of the gas that
it had to those after it. Last in a chunk, this probe then fails too, unless a call wanted more than 2.8 million gas.
"""


class PinnedReader:
    """Reads at one block through Multicall3.

    The contract's clock is compared with the block's once; `verify` tells whether the block is still part of the chain.
    """

    def __init__(
        self,
        node: Node,
        *,
        multicall3: Address,
        block: Block,
        largest_chunk: int = _LARGEST_CHUNK,
        largest_calldata: int = _LARGEST_CALLDATA,
    ) -> None:
        self.node = node
        self.block = block
        self._multicall3 = multicall3
        self._largest_chunk = largest_chunk
        self._largest_calldata = largest_calldata
        self._clock: Call | None = interface("multicall3")["getCurrentBlockTimestamp"].call(multicall3)

    def fetch(self, batch: Sequence[Call]) -> list[CallResult]:
        """Return one result per call of `batch`, in order.

        A call that succeeds and returns nothing has found no contract: its result is a failure without data.

        Raises:
            NotDeployed: there is no Multicall3 at its address.
            BlockUnavailable: the node lacks the block's state.
            RpcMalformed: the answer is none to a multicall, or was computed with another block's clock.
            RpcError: see `Rpc.read`.
        """
        results: list[CallResult] = []
        for chunk in self._chunks(links(batch)):
            results += self._chunk(chunk)
        return results

    def verify(self) -> None:
        """Check that the block is still the one that the chain has at its height.

        Raises:
            BlockUnavailable: it was replaced while it was read.
        """
        now = self.node.block(self.block.number)
        if now.hash != self.block.hash:
            raise BlockUnavailable(
                f"block {self.block.number} was replaced while it was read",
                fix="run it again, or read an older block with --block finalized",
                was=self.block.hash,
                now=now.hash,
            )

    def _chunks(self, pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
        start = count = size = 0
        for index, piece in enumerate(pieces):
            added = sum(map(call_size, piece))
            too_many = count + len(piece) > self._largest_chunk or size + added > self._largest_calldata
            if index > start and too_many:
                yield pieces[start:index]
                start, count, size = index, 0, 0
            count += len(piece)
            size += added
        if start < len(pieces):
            yield pieces[start:]

    def _chunk(self, pieces: Sequence[Piece]) -> list[CallResult]:
        """Answer `pieces` in one round trip, or in two halves when the node finds them too much for one."""
        calls = [call for piece in pieces for call in piece]
        try:
            results, is_complete = self._ask(calls)
            if is_complete or len(pieces) == 1:
                return results
        except RpcRejected as rejected:
            if len(pieces) == 1 or rejected.kind != "refused":
                raise  # a smaller chunk cures neither a wrong key nor a node that is busy or broken
        middle = len(pieces) // 2
        self._largest_chunk = min(self._largest_chunk, max(len(calls) // 2, _SMALLEST_CHUNK))
        return self._chunk(pieces[:middle]) + self._chunk(pieces[middle:])

    def _ask(self, calls: Sequence[Call]) -> tuple[list[CallResult], bool]:
        """Return the results, and whether there was gas enough to believe the failures among them."""
        clock = (self._clock,) if self._clock else ()
        asked = (*clock, *calls, _GAS_PROBE)

        def read(data: bytes) -> list[CallResult]:
            results = _decoded(data, len(asked))
            if clock:
                self._check_clock(results.pop(0))
            return results

        results = self._answered(asked, read)
        self._clock = None
        gas_probe = results.pop()
        return [_found(result) for result in results], gas_probe.success

    def _answered(self, asked: Sequence[Call], read: Callable[[bytes], list[CallResult]]) -> list[CallResult]:
        call = Call(self._multicall3, encode_calls(asked))
        try:
            results = self.node.returned(call, read, block=self.block)
        except RpcMalformed:
            self._require_contract()
            raise
        if results is None:
            self._require_contract()
            raise RpcMalformed("the node says that a multicall reverts, which it never does")
        return results

    def _require_contract(self) -> None:
        if not self.node.code(self._multicall3, block=self.block):
            raise NotDeployed(
                f"there is no Multicall3 at {self._multicall3} at block {self.block.number}", address=self._multicall3
            )

    def _check_clock(self, result: CallResult) -> None:
        seen = int.from_bytes(result.data, "big") if result.success and len(result.data) == 32 else None
        if seen != self.block.timestamp:
            raise RpcMalformed(
                f"the node computes calls at block {self.block.number} with another block's clock",
                fix="check the node with `defilev doctor`, or set another --rpc-url",
                block=self.block.timestamp,
                calls=seen,
            )


def _decoded(data: bytes, count: int) -> list[CallResult]:
    try:
        return decode_results(data, count=count)
    except ValueError:
        raise RpcMalformed("the node's answer to a multicall is not one", bytes=len(data)) from None


def _found(result: CallResult) -> CallResult:
    return CallResult(success=False, data=b"") if result.success and not result.data else result
