"""What can go wrong between this machine and a node, by what can be done about the node."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from defilev.errors.base import DataError

__all__ = [
    "BlockUnavailable",
    "EndpointsDisagree",
    "QuorumMissing",
    "RpcBusy",
    "RpcDenied",
    "RpcError",
    "RpcKind",
    "RpcMalformed",
    "RpcRejected",
    "RpcTimeout",
    "RpcUnreachable",
    "WrongChain",
]

RpcKind: TypeAlias = Literal["transient", "permanent", "inconsistent", "refused"]
"""What to do about a node: ask again or elsewhere; change a setting; believe another; change the question."""


class RpcError(DataError):
    """The node did not give a usable answer."""

    default_fix = "check the node with `defilev doctor`, or set another --rpc-url"
    kind: ClassVar[RpcKind] = "transient"


class RpcUnreachable(RpcError):
    """No connection to the node."""

    kind = "transient"


class RpcTimeout(RpcError):
    """The node did not answer in time."""

    kind = "transient"


class RpcMalformed(RpcError):
    """The node's answer is not what JSON-RPC or the method promises."""

    kind = "inconsistent"


class RpcRejected(RpcError):
    """The node answered with a JSON-RPC error; `code`, `message` and `data` are among the facts."""

    kind: ClassVar[RpcKind] = "refused"


class RpcBusy(RpcRejected):
    """The node cannot answer now: it limits how often it is asked, or something behind it is down."""

    default_fix = "wait, or set another --rpc-url"
    kind = "transient"


class RpcDenied(RpcRejected):
    """The node does not serve this client or this method, and asking again cannot help."""

    kind = "permanent"


class WrongChain(RpcError):
    """The node serves another chain than the address book or the plan is for."""

    default_fix = "set --rpc-url to a node of that chain, or --chain to the node's chain"
    kind = "inconsistent"


class BlockUnavailable(RpcError):
    """The node does not have the block, or no longer its state."""

    default_fix = "read a newer block with --block, or use an archive node"
    kind = "inconsistent"


class EndpointsDisagree(RpcError):
    """Nodes of one chain say different things about the same block, and too few of them the same."""

    default_fix = "sign nothing; find out with `defilev doctor` which node is wrong, and leave it out"
    kind = "inconsistent"


class QuorumMissing(RpcError):
    """Fewer nodes answered than must agree before anything is signed."""

    default_fix = "look at the nodes with `defilev doctor`, or give further ones with --rpc-url"
    kind = "transient"
