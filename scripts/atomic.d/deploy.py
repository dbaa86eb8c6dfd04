"""Put the executor on a running local chain: by the factory, as anywhere, and from an account without its key."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.executors import deploy_executor
from tests.support.world import open_world

if __name__ == "__main__":
    with open_world(Path(sys.argv[1])) as world:
        print(f"deployed the executor at {deploy_executor(world)}")
