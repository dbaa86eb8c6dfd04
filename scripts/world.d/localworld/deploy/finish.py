"""The last step: fresh feeds and a closing empty block."""

from localworld.context import Site
from localworld.deploy.feeds import refresh


def deploy(site: Site) -> None:
    """Refresh every feed; mine an empty block, which is the one that the saved state keeps."""
    refresh(site)
    site.chain.rpc.request("evm_mine")
