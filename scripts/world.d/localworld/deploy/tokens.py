"""Multicall3 and the tokens."""

from localworld.artifacts import Artifact, multicall3_runtime
from localworld.chain import ETHER, constructor
from localworld.context import Site, Token

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
OWNER_ETHER = 10**10


def deploy(site: Site) -> None:
    """Place Multicall3 and every token; the owner gets what tokens.toml says."""
    chain = site.chain
    chain.set_code(MULTICALL3, multicall3_runtime())
    chain.set_balance(chain.owner, OWNER_ETHER * ETHER)
    for token in site.tokens.values():
        _place(site, token)
        _mint(site, token)
    site.manifest["multicall3"] = MULTICALL3
    site.manifest["tokens"] = {
        token.symbol: {"address": token.address, "decimals": token.decimals, "kind": token.kind}
        for token in site.tokens.values()
    }


def _place(site: Site, token: Token) -> None:
    owner = site.chain.owner
    if token.kind == "weth9":
        code = site.artifacts.packaged("canonical-weth", "build/contracts/WETH9.json").linked({})
    elif token.kind == "testnet":
        artifact = site.artifacts.compiled("aave-v3.6", "TestnetERC20")
        code = _named(artifact, "(string,string,uint8,address)", token, owner)
    else:
        artifact = site.artifacts.compiled("own", "NoReturnToken")
        code = _named(artifact, "(string,string,uint8)", token)
    site.chain.place(token.address, code)


def _named(artifact: Artifact, types: str, token: Token, *more: str) -> bytes:
    return constructor(artifact.linked({}), types, token.name, token.symbol, token.decimals, *more)


def _mint(site: Site, token: Token) -> None:
    amount = token.units(token.minted)
    if token.kind == "weth9":
        site.chain.send(token.address, "deposit()", value=amount)
    else:
        site.chain.send(token.address, "mint(address,uint256)", site.chain.owner, amount)
