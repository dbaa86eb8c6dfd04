"""The texts of `defilev help`."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["TOPICS", "health_factor_in_words"]

_EXIT_CODES = """\
Exit codes: what a script can act on without reading text.

    0  ok; an account without a position is ok too
    1  unexpected error, a defect of ours: run it again with -v and report it
    2  usage: the command, a value in it, a setting or a file is wrong
    3  declined: you, or --no-input on your behalf, did not agree
    4  data unavailable or inconsistent: the node, a missing price, a self-check that failed;
       also when only a part could not be read: what could be is shown
    5  condition breached: --fail-below, or a trigger of the guard in a dry run
    6  a simulated step reverted, or a post-condition failed: nothing was signed for it
    7  refused: infeasible, against policy or limits, a stale price when raising risk,
       a plan that was edited, has expired or is for another chain
    8  key or signing failure: wrong password, insecure or foreign keystore
    9  sent but not confirmed: read the account before doing anything else
  130  interrupted
  141  whoever read the output went away (`| head`)

With --json a failure prints {"schema": "defilev/error@1", ...} on stdout with the same code,
unless the result had been printed already. Every failure ends with one `fix:` line on stderr.
A cron job acts on 5, 6, 7 and 9; everything that begins a retry by itself is 4.
"""

_UNITS = """\
Units: what a number is, where you type it and where you read it.

  amount          42.5 wstETH: in whole tokens, exact to the token's last decimal place. In --json
                  beside it `raw`, an integer in base units: 42500000000000000000 for 18 decimals
  percentage      0.5% or -20%: always with its sign %, never 0.005. A shock of -20% multiplies a
                  price by 0.80
  health factor   1.37: a plain ratio; in --json `wad`, the same times 10^18, as the contract
                  returns it, rounded the way the contract rounds
  leverage        2.45x: the value of the collateral divided by what is yours of it
                  (collateral minus debt); 1x is no debt
  loan-to-value   59.17%: debt divided by collateral, both at the oracle's prices
  threshold       81.00%: the loan-to-value at which an asset can be liquidated, set by the protocol
  price, value    in the oracle's quote currency: US dollars on the usual markets, the loan token in
                  an isolated one; the oracle's price decides liquidation, not the one on an exchange
  rate            +3.02%/yr: earned on supply; -3.90%/yr: paid on debt; at this block's rate
  duration        90s, 10m, 24h, 7d; a bare number is seconds
  gas price       50gwei = 0.00000005 ETH for each unit of gas
  block           a number; one block is about 12 s on Ethereum, less elsewhere

In --json every amount on chain is a string of base units beside a decimal string, so that no program
loses digits. Nothing is zero because it is unknown: unknown is null, and a dash in tables.
"""

_GLOSSARY = """\
Words, as defilev uses them.

  health factor   what your collateral counts for, divided by your debt. Each collateral counts for its
                  value times its liquidation threshold. Above 1 you are safe from liquidation at these
                  prices; below 1 anyone may liquidate you. Without debt there is none.
                  What does 1.37 mean? Your counted collateral is 1.37 times your debt. If all your
                  collateral fell by 27.0% at once (1 - 1/1.37) while the debt kept its price, you would
                  reach 1. If the debt is in what falls too, more; if one asset of several falls, see the
                  liquidation prices. It is not a probability, and it shrinks by itself when the debt's
                  interest is higher than the collateral's.
  status          OK, LOW, DANGER or LIQUIDATABLE: where the health factor lies between the limits of
                  the settings status.low (1.5) and status.danger (1.1), and 1
  leverage        collateral divided by equity. At 2.45x, a rise of 1% in the collateral is one of 2.45%
                  for you, and so is a fall
  equity          collateral minus debt, at the oracle's prices: what is yours
  liquidation     when the health factor is below 1, anyone may repay part of your debt and take
                  collateral worth that part and a bonus, which you lose
  liquidation price   the price of one asset, all others unchanged, at which the health factor is 1
  driver          a price that several assets follow: wstETH follows ETH, so both move in one shock
  liquidation ratio   for assets that move together (wstETH against WETH): the price of one in the other
                  at which the health factor is 1. Their common fall does not matter, their parting does
  e-mode          a category in which assets of one kind may be borrowed against each other with higher
                  thresholds
  book            your file of names for owners, chains with their nodes, and overlays: @main is one
                  owner of it, @all all of them
  overlay         what you hold and no chain shows: options, positions on an exchange
  net delta       what all of it together gains when a price doubles, at today's slope: as if so much
                  of the asset were held
  market          one deployment of a protocol on one chain with its own pools, such as main
  oracle          the contract whose prices the protocol uses; a stale price is one it has not updated
                  for longer than the setting prices.stale_after
  self-check      what defilev computed from raw balances equals what the contract says, to the last
                  digit, at the same block; if it does not, the account is not shown as fact
  deleverage      withdraw collateral, sell it, repay debt. In rounds, since each withdrawal must leave
                  the account healthy: a staircase
  floor           the health factor below which no step of a plan may take the account, 1.02 by default
  slippage        how much worse than the oracle's price a swap may be, fees included
  plan            ordered transactions, fixed to the last byte, with what they promise and a hash
  simulated       run on a fork of the chain at a named block: evidence, not proof; the chain moves on
  fork            a private copy of a chain at one block, on which trying costs nothing
  promised, got   the health factor that a plan said at worst, and the one read after its last receipt
"""

TOPICS = {
    "exit-codes": ("what each exit code means", _EXIT_CODES),
    "units": ("what the numbers are, where you type them and where you read them", _UNITS),
    "glossary": ("the words; what does 1.37 mean?", _GLOSSARY),
}
"""By name: a summary and the text."""


def health_factor_in_words(value: Decimal, *, low: Decimal, danger: Decimal) -> str:
    """Return what a health factor of `value` means, with the status limits `low` and `danger`."""
    if value <= 0:
        return f"A health factor of {value} would mean collateral that counts for nothing against a debt: bad debt."
    counted = f"A health factor of {value} means: your collateral, each asset counted at its liquidation threshold,"
    if value < 1:
        short = (1 - value) * 100
        return f"""\
{counted}
covers {value} times your debt, {short:.1f}% too little. Status LIQUIDATABLE: anyone may repay part of
the debt now, and take collateral worth that part and a bonus. Repaying debt, or supplying collateral,
until the value is above 1 ends that."""
    status = "OK" if value >= low else "LOW" if value >= danger else "DANGER"
    fall, debt = (1 - 1 / value) * 100, (value - 1) * 100
    return f"""\
{counted}
is worth {value} times your debt. Status {status} (LOW below {low}, DANGER below {danger}, LIQUIDATABLE below 1).

  - If all your collateral fell by {fall:.1f}% while the debt kept its price, you would reach 1 and anyone
    could liquidate you. Example: collateral that counts for ${value * 1000:,.0f} against a debt of $1,000.
  - Just as well if the debt grew by {debt:.1f}% while the collateral kept its price: a borrowed asset
    that rises, or interest.
  - When one collateral of several falls, or collateral and debt move together, the distance is another:
    `defilev health WHO` shows the liquidation price of each asset.

It is a distance, not a probability: how likely such a fall is depends on the assets and on the time."""
