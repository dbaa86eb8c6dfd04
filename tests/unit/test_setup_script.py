from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def test_a_linked_environment_is_not_emptied(repository: Path, tmp_path: Path) -> None:
    """Where `.venv` is a link to another checkout's, setup says so and leaves what it leads to as it was."""
    checkout, other = tmp_path / "checkout", tmp_path / "other"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("scripts/setup", "requirements.lock", "pyproject.toml"):
        shutil.copy(repository / name, checkout / name)
    other.mkdir()
    (other / ".installed").write_text("/another/checkout 0 0\n")
    (checkout / ".venv").symlink_to(other)

    command = [str(checkout / "scripts" / "setup"), "--python-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert f"error: .venv is a link to {other}, whose content would be emptied\nfix: remove the link" in done.stderr
    assert [".installed"] == [path.name for path in other.iterdir()]
