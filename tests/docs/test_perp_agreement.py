"""What docs/gmx-v2.md says of liquidation prices is what the script that it names prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_shows_what_the_script_prints() -> None:
    """The table of differences is the script's; where forms are linear they differ by floating point alone."""
    command = [sys.executable, str(ROOT / "scripts/perp-agreement.d/agreement.py")]
    environment = {"PYTHONPATH": str(ROOT)}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    linear = [line for line in printed.splitlines() if " linear " in line]

    assert printed in (ROOT / "docs/gmx-v2.md").read_text()
    assert 7 == len(linear)
    assert all(line.split(" linear ")[1].strip().startswith("< 1e-12") for line in linear)
