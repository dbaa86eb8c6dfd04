"""The bitmaps in which Aave v3 packs a reserve's configuration and a user's flags (`DataTypes`)."""

from __future__ import annotations

__all__ = [
    "borrow_cap",
    "borrowable_in_isolation",
    "borrowing_enabled",
    "debt_ceiling",
    "decimals",
    "e_mode_category",
    "is_active",
    "is_borrowing",
    "is_collateral",
    "is_frozen",
    "is_paused",
    "is_siloed",
    "liquidation_bonus",
    "liquidation_threshold",
    "loan_to_value",
    "supply_cap",
    "virtual_accounting",
    "with_borrowing",
    "with_collateral",
]

BORROW_MASK = int("55" * 32, 16)


def _field(bitmap: int, start: int, width: int) -> int:
    return bitmap >> start & (1 << width) - 1


def loan_to_value(configuration: int) -> int:
    """Return the LTV in bps."""
    return _field(configuration, 0, 16)


def liquidation_threshold(configuration: int) -> int:
    """Return the liquidation threshold in bps."""
    return _field(configuration, 16, 16)


def liquidation_bonus(configuration: int) -> int:
    """Return the liquidation bonus in bps, 10500 for 5 %; zero when the reserve is not collateral."""
    return _field(configuration, 32, 16)


def decimals(configuration: int) -> int:
    """Return the decimals of the underlying."""
    return _field(configuration, 48, 8)


def is_active(configuration: int) -> bool:
    """Return whether the reserve can be used at all."""
    return bool(_field(configuration, 56, 1))


def is_frozen(configuration: int) -> bool:
    """Return whether supplying and borrowing are closed."""
    return bool(_field(configuration, 57, 1))


def borrowing_enabled(configuration: int) -> bool:
    """Return whether the reserve can be borrowed outside e-mode."""
    return bool(_field(configuration, 58, 1))


def is_paused(configuration: int) -> bool:
    """Return whether everything is closed: repaying, withdrawing and liquidating too."""
    return bool(_field(configuration, 60, 1))


def lends_in_flash(configuration: int) -> bool:
    """Return whether the reserve lends for one transaction."""
    return bool(_field(configuration, 63, 1))


def e_mode_category(configuration: int) -> int:
    """Return the reserve's category; meaningless from 3.2."""
    return _field(configuration, 168, 8)


def virtual_accounting(configuration: int) -> bool:
    """Return whether the pool counts the reserve's liquidity itself; meaningful in 3.1 to 3.3."""
    return bool(_field(configuration, 252, 1))


def is_borrowing(user_configuration: int, reserve_id: int) -> bool:
    """Return whether the user's borrow bit for the reserve is set."""
    return bool(user_configuration >> 2 * reserve_id & 1)


def is_collateral(user_configuration: int, reserve_id: int) -> bool:
    """Return whether the user's collateral bit for the reserve is set."""
    return bool(user_configuration >> 2 * reserve_id + 1 & 1)


def with_borrowing(user_configuration: int, reserve_id: int, *, value: bool) -> int:
    """Return the flags with the borrow bit of the reserve set to `value`."""
    bit = 1 << 2 * reserve_id
    return user_configuration | bit if value else user_configuration & ~bit


def with_collateral(user_configuration: int, reserve_id: int, *, value: bool) -> int:
    """Return the flags with the collateral bit of the reserve set to `value`."""
    bit = 1 << 2 * reserve_id + 1
    return user_configuration | bit if value else user_configuration & ~bit


def borrow_cap(configuration: int) -> int:
    """Return the cap on what all borrow, in whole tokens; zero is no cap."""
    return _field(configuration, 80, 36)


def supply_cap(configuration: int) -> int:
    """Return the cap on what all supply, in whole tokens; zero is no cap."""
    return _field(configuration, 116, 36)


def debt_ceiling(configuration: int) -> int:
    """Return the ceiling on debt against it in isolation, in hundredths of the quote; zero when not isolated."""
    return _field(configuration, 212, 40)


def borrowable_in_isolation(configuration: int) -> bool:
    """Return whether the reserve can be borrowed against isolated collateral; meaningless from 3.7."""
    return bool(_field(configuration, 61, 1))


def is_siloed(configuration: int) -> bool:
    """Return whether the reserve can only be borrowed alone; meaningless from 3.7."""
    return bool(_field(configuration, 62, 1))
