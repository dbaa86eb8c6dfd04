from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.world


def test_the_demo_runs_the_main_job_and_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    """From any directory the demo reads, tries, sends and reads again, shows its commands, and stops its chain."""
    done = subprocess.run([repository / "scripts" / "demo"], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    assert "DRY RUN: nothing was signed." in said
    assert re.search(r"before +promised +got", said)
    assert re.search(r"health factor +1\.663 +2\.000 +2\.000", said)
    assert len(re.findall(r"^\$ defilev ", said, re.MULTILINE)) == 14
    assert "60 transactions and signatures" in said
    assert re.search(r"unwind +repay 110\.38\d WETH", said)
    assert "the executor at 0x8230AEA3663e42890612ad2fd677860D4e2d31C1 on local is ours" in said
    assert "stopped" in done.stdout + done.stderr
