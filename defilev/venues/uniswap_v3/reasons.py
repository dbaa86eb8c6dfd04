"""What the short errors of Uniswap v3's pools and router mean (`UniswapV3Pool.sol`, `TransferHelper.sol`)."""

from __future__ import annotations

__all__ = ["CODES"]

CODES = {
    "IIA": "the pool was paid less than it asked for: the token keeps a part of what it moves",
    "LOK": "the pool is locked",
    "SPL": "the price limit is on the wrong side",
    "STF": "a token did not let itself be taken: too little is held or allowed, or it refuses the account",
}
