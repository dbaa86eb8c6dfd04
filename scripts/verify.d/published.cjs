// Prints, as JSON, the addresses that the published packages unpacked in the folder argv[2] name for our chains.
// Only their address tables are run: whatever those import from other packages is replaced by `anything`.
"use strict";
const { readdirSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const root = path.resolve(process.argv[2]);
const at = (...parts) => path.join(root, ...parts);
const anything = new Proxy(function () {}, {
  apply: () => anything,
  construct: () => anything,
  get: (_, key) => (key === Symbol.toPrimitive ? () => "" : key === Symbol.iterator ? [][Symbol.iterator] : anything),
});

const ids = { mainnet: 1, optimism: 10, polygon: 137, base: 8453, arbitrum: 42161 };
const load = Module._load;
let sdkCore = anything;
Module._load = (name, ...rest) => {
  if (name === "@uniswap/sdk-core") return sdkCore;
  if (name === "@protocolink/common") return { ChainId: ids, Token: class {} };
  if (name === "tslib") return { __importStar: (imported) => imported };
  return name.startsWith(".") || path.isAbsolute(name) ? load(name, ...rest) : anything;
};

const chains = require(at("uniswap-sdk-core/dist/cjs/src/chains.js"));
const uniswap = require(at("uniswap-sdk-core/dist/cjs/src/addresses.js"));
const known = { ...chains, ...uniswap };
sdkCore = new Proxy(known, { get: (target, key) => target[key] ?? anything });
const quoters = require(at("uniswap-smart-order-router/build/main/util/addresses.js")).QUOTER_V2_ADDRESSES;

const spark = require(at("oasisdex-addresses/lib/index.js")).ADDRESSES;

const comets = require(at("protocolink-logics/dist/logics/compound-v3/configs.js")).configs;
const marketOf = { USDC: "usdc", "USDC.e": "usdc-e", USDbC: "usdbc", ETH: "weth" };

const morpho = require(at("morpho-org-morpho-ts/lib/cjs/addresses.js"));

const gmx = require(at("gmx-io-sdk/build/cjs/src/configs/contracts.js")).CONTRACTS;
const gmxEntries = (table) => ({
  data_store: table.DataStore,
  reader: table.SyntheticsReader,
  referral_storage: table.ReferralStorage,
  exchange_router: table.ExchangeRouter,
  router: table.SyntheticsRouter,
  order_vault: table.OrderVault,
  event_emitter: table.EventEmitter,
});

const published = {};
for (const name of ["mainnet", "arbitrum", "base", "optimism"]) {
  const chain = require(at("viem/_cjs/chains/definitions", `${name}.js`))[name];
  const tables = uniswap.CHAIN_TO_ADDRESSES_MAP[chain.id];
  published[chain.id] = {
    chain: { id: chain.id, multicall3: chain.contracts.multicall3.address },
    "uniswap-v3": {
      factory: tables.v3CoreFactoryAddress,
      quoter_v2: quoters[chain.id],
      swap_router_02: uniswap.SWAP_ROUTER_02_ADDRESSES(chain.id),
    },
    "aave-v3": {},
    "morpho-blue": {
      morpho: morpho.addressesRegistry[chain.id].morpho,
      first_block: String(morpho.deployments[chain.id].morpho),
    },
    pools: { Spark: spark[name].spark.LendingPool },
    comets: {},
  };
}
for (const name of ["arbitrum", "avalanche"]) {
  const chain = require(at("viem/_cjs/chains/definitions", `${name}.js`))[name];
  const table = (published[chain.id] ??= { chain: { id: chain.id, multicall3: chain.contracts.multicall3.address } });
  table["gmx-v2"] = gmxEntries(gmx[chain.id]);
}
for (const { chainId, markets } of comets) {
  if (!published[chainId]?.comets) continue;
  for (const { id, cometAddress } of markets) published[chainId].comets[marketOf[id]] = cometAddress;
}
const perp = require(at("perp-curie-deployments/optimism/core/metadata.json"));
published[perp.chainId]["perp-curie"] = {
  clearing_house: perp.contracts.ClearingHouse.address,
  vault: perp.contracts.Vault.address,
};
if (!published[1].comets.usdc) throw new Error("the package with Comets has none for Ethereum");
for (const file of readdirSync(at("aave-dao-aave-address-book/dist"))) {
  const market = /^AaveV3[A-Za-z]+\.js$/.test(file) ? require(at("aave-dao-aave-address-book/dist", file)) : {};
  if (!published[market.CHAIN_ID]?.pools) continue;
  const [, name] = /^AaveV3(?:Ethereum|Arbitrum|Base|Optimism)(.*)\.js$/.exec(file);
  published[market.CHAIN_ID]["aave-v3"][name || "Main"] = market.POOL_ADDRESSES_PROVIDER;
  published[market.CHAIN_ID].pools[name || "Main"] = market.POOL;
}
console.log(JSON.stringify(published, null, 1));
