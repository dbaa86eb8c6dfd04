"""The study behind the shipped multiplier table: see docs/calibration.md."""
