// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IAavePool, IDebtToken, IERC20, IMorpho, MarketParams} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {vm} from "./Vm.sol";

interface IMint {
    function mint(address to, uint256 amount) external;
    function deposit() external payable;
}

interface ISigned {
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function nonces(address owner) external view returns (uint256);
    function nonce(address owner) external view returns (uint256);
}

interface IAaveMore {
    function setUserEMode(uint8 category) external;
}

interface IMorphoMore {
    function createMarket(MarketParams calldata params) external;
    function supply(MarketParams calldata params, uint256 assets, uint256 shares, address onBehalf, bytes calldata data)
        external;
    function setAuthorization(address authorized, bool isAuthorized) external;
}

interface IDelegation {
    function approveDelegation(address delegatee, uint256 amount) external;
}

/// The local world in forge's own EVM: the state that scripts/world builds, with the real Aave 3.6, SparkLend, Morpho Blue
/// and Uniswap v3 at their addresses; one person with positions in it; and the order that changes each of them.
abstract contract World {
    address internal constant OWNER = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    address internal constant WETH = 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2;
    address internal constant WSTETH = 0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0;
    address internal constant WBTC = 0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599;
    address internal constant USDC = 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48;
    address internal constant USDT = 0xdAC17F958D2ee523a2206206994597C13D831ec7;
    address internal constant AAVE = 0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2;
    address internal constant SPARK = 0xC13e21B648A5Ee794902342038FF3aDAB66BE987;
    address internal constant MORPHO = 0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb;
    address internal constant RATE_MODEL = 0x870aC11D48B15DB9a138Cf899d20F13F79Ba00BC;
    address internal constant ROUTER = 0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45;
    address internal constant POOL_DAI_USDC = 0x5777d92f208679DB4b9778590Fa3CAB3aC9e2168;
    address internal constant POOL_WETH_USDC_DEAR = 0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8;
    bytes32 internal constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 internal constant DELEGATION =
        keccak256("DelegationWithSig(address delegatee,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 internal constant AUTHORIZATION = keccak256(
        "Authorization(address authorizer,address authorized,bool isAuthorized,uint256 nonce,uint256 deadline)"
    );
    bytes internal constant USDC_WETH = abi.encodePacked(USDC, uint24(500), WETH);
    bytes internal constant WETH_WSTETH = abi.encodePacked(WETH, uint24(100), WSTETH);
    bytes internal constant USDC_WSTETH = abi.encodePacked(USDC, uint24(500), WETH, uint24(100), WSTETH);
    bytes internal constant USDC_WBTC = abi.encodePacked(USDC, uint24(500), WETH, uint24(3000), WBTC);
    uint256 internal constant KEY = uint256(keccak256("a person of these tests"));

    LeverageExecutor internal executor;
    address internal person = vm.addr(KEY);

    function setUp() public virtual {
        vm.loadAllocs("../.world/contracts/allocs.json");
        string memory block_ = vm.readFile("../.world/contracts/block.json");
        vm.roll(vm.parseJsonUint(block_, ".number") + 1);
        vm.warp(vm.parseJsonUint(block_, ".timestamp") + 12);
        executor = new LeverageExecutor();
        bytes memory other = vm.envOr("DEFILEV_EXECUTOR", bytes(""));
        if (other.length != 0) vm.etch(address(executor), other);
    }

    // ── Positions ───────────────────────────────────────────────────────────────────────────────────────────────────

    function give(address token, address to, uint256 amount) internal {
        if (token == WETH) {
            vm.deal(OWNER, amount);
            vm.prank(OWNER);
            (bool paid,) = WETH.call{value: amount}(abi.encodeCall(IMint.deposit, ()));
            require(paid, "no WETH");
            vm.prank(OWNER);
            IERC20(WETH).transfer(to, amount);
        } else {
            vm.prank(OWNER);
            IMint(token).mint(to, amount);
        }
    }

    /// Collateral and debt at an Aave pool; what is borrowed is spent. E-mode 1 is that of WETH and wstETH.
    function openAave(address pool, address collateral, uint256 supplied, address debt, uint256 drawn) internal {
        openFor(person, pool, [collateral, debt], [supplied, drawn]);
    }

    function openFor(address who, address pool, address[2] memory tokens, uint256[2] memory amounts) internal {
        give(tokens[0], who, amounts[0]);
        vm.startPrank(who);
        IERC20(tokens[0]).approve(pool, amounts[0]);
        IAavePool(pool).supply(tokens[0], amounts[0], who, 0);
        if (tokens[0] == WSTETH && tokens[1] == WETH) IAaveMore(pool).setUserEMode(1);
        IAavePool(pool).borrow(tokens[1], amounts[1], 2, 0, who);
        IERC20(tokens[1]).transfer(OWNER, amounts[1]);
        vm.stopPrank();
    }

    function openMorpho(MarketParams memory market, uint256 supplied, uint256 drawn) internal {
        give(market.collateralToken, person, supplied);
        vm.startPrank(person);
        IERC20(market.collateralToken).approve(MORPHO, supplied);
        IMorpho(MORPHO).supplyCollateral(market, supplied, person, "");
        IMorpho(MORPHO).borrow(market, drawn, 0, person, OWNER);
        vm.stopPrank();
    }

    function usdcMarket() internal pure returns (MarketParams memory) {
        return MarketParams(USDC, WSTETH, 0x48F7E36EB6B826B2dF4B2E630B62Cd25e89E40e2, RATE_MODEL, 0.86e18);
    }

    // ── Orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    function aaveOrder(address pool, address debt, address collateral, bytes memory path)
        internal
        view
        returns (LeverageExecutor.Order memory order)
    {
        order.protocol = pool;
        order.market.loanToken = debt;
        order.market.collateralToken = collateral;
        order.lender = MORPHO;
        order.path = path;
        order.promised = anything();
    }

    function anything() internal view returns (LeverageExecutor.Promised memory) {
        return LeverageExecutor.Promised(0, type(uint256).max, 0, 0, block.timestamp, block.number);
    }

    /// The wstETH loop at health 1.05, and the order that takes 60 of its 110 WETH of debt away.
    function loop(address pool) internal returns (LeverageExecutor.Order memory order) {
        openAave(pool, WSTETH, 100 ether, WETH, 110.380952380952380952 ether);
        order = aaveOrder(pool, WETH, WSTETH, WETH_WSTETH);
        (order.borrowed, order.limit, order.taken) = (60 ether, 49.5 ether, 49.5 ether);
    }

    function pair(address pool) internal returns (LeverageExecutor.Order memory order) {
        openAave(pool, WETH, 50 ether, USDC, 60_000e6);
        order = aaveOrder(pool, USDC, WETH, USDC_WETH);
        (order.borrowed, order.limit, order.taken) = (20_000e6, 6.8 ether, 6.8 ether);
    }

    function isolated() internal returns (LeverageExecutor.Order memory order) {
        openMorpho(usdcMarket(), 100 ether, 250_000e6);
        order = aaveOrder(MORPHO, USDC, WSTETH, USDC_WSTETH);
        order.market = usdcMarket();
        (order.borrowed, order.limit, order.taken) = (100_000e6, 28 ether, 28 ether);
    }

    // ── What a person signs ─────────────────────────────────────────────────────────────────────────────────────────

    function aToken(address pool, address asset) internal view returns (address) {
        return IAavePool(pool).getReserveData(asset).aToken;
    }

    function debtToken(address pool, address asset) internal view returns (address) {
        return IAavePool(pool).getReserveData(asset).variableDebtToken;
    }

    function signPermit(LeverageExecutor.Order memory order) internal view {
        address token = aToken(order.protocol, order.market.collateralToken);
        uint256 nonce = ISigned(token).nonces(person);
        bytes32 what = keccak256(abi.encode(PERMIT, person, executor, order.taken, nonce, block.timestamp));
        order.grant = signed(token, what);
    }

    function signDelegation(LeverageExecutor.Order memory order) internal view {
        address token = debtToken(order.protocol, order.market.loanToken);
        uint256 nonce = ISigned(token).nonces(person);
        order.grant = signed(token, keccak256(abi.encode(DELEGATION, executor, order.taken, nonce, block.timestamp)));
    }

    function signAuthorization(LeverageExecutor.Order memory order) internal view {
        uint256 nonce = ISigned(MORPHO).nonce(person);
        bytes32 what = keccak256(abi.encode(AUTHORIZATION, person, executor, true, nonce, block.timestamp));
        order.grant = signed(MORPHO, what);
        what = keccak256(abi.encode(AUTHORIZATION, person, executor, false, nonce + 1, block.timestamp));
        order.revoke = signed(MORPHO, what);
    }

    function signed(address token, bytes32 what) private view returns (LeverageExecutor.Signature memory) {
        bytes32 domain = ISigned(token).DOMAIN_SEPARATOR();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, keccak256(abi.encodePacked("\x19\x01", domain, what)));
        return LeverageExecutor.Signature(block.timestamp, v, r, s);
    }

    function approveTaken(LeverageExecutor.Order memory order) internal {
        address token = aToken(order.protocol, order.market.collateralToken);
        vm.prank(person);
        IERC20(token).approve(address(executor), order.taken);
    }

    function delegateTaken(LeverageExecutor.Order memory order) internal {
        address token = debtToken(order.protocol, order.market.loanToken);
        vm.prank(person);
        IDelegation(token).approveDelegation(address(executor), order.taken);
    }

    // ── Running and reading ─────────────────────────────────────────────────────────────────────────────────────────

    function delever(LeverageExecutor.Order memory order) internal {
        vm.prank(person);
        executor.deleverage(order);
        requireClean(order);
    }

    function lever(LeverageExecutor.Order memory order) internal {
        vm.prank(person);
        executor.leverage(order);
        requireClean(order);
    }

    function health(address pool, address who) internal view returns (uint256 factor) {
        (,,,,, factor) = IAavePool(pool).getUserAccountData(who);
    }

    function debtOf(LeverageExecutor.Order memory order, address who) internal view returns (uint256) {
        if (order.protocol != MORPHO) return IERC20(debtToken(order.protocol, order.market.loanToken)).balanceOf(who);
        bytes32 id = keccak256(abi.encode(order.market));
        (, uint256 shares,) = IMorpho(MORPHO).position(id, who);
        (,, uint256 assets, uint256 total,,) = IMorpho(MORPHO).market(id);
        uint256 product = shares * (assets + 1);
        return product / (total + 1e6) + (product % (total + 1e6) == 0 ? 0 : 1);
    }

    function collateralOf(LeverageExecutor.Order memory order, address who) internal view returns (uint256 amount) {
        if (order.protocol != MORPHO) return IERC20(aToken(order.protocol, order.market.collateralToken)).balanceOf(who);
        (,, amount) = IMorpho(MORPHO).position(keccak256(abi.encode(order.market)), who);
    }

    /// Nothing stays: no token, no aToken, no allowance in either direction, no authorisation.
    function requireClean(LeverageExecutor.Order memory order) internal view {
        address[4] memory tokens = [WETH, WSTETH, WBTC, USDC];
        address[7] memory spenders = [AAVE, SPARK, MORPHO, ROUTER, POOL_DAI_USDC, POOL_WETH_USDC_DEAR, person];
        for (uint256 i = 0; i < tokens.length; i++) {
            require(IERC20(tokens[i]).balanceOf(address(executor)) == 0, "a token stayed");
            require(IERC20(aToken(AAVE, tokens[i])).balanceOf(address(executor)) == 0, "an aToken stayed");
            require(IERC20(aToken(AAVE, tokens[i])).allowance(person, address(executor)) == 0, "a permit stayed");
            require(IDebtToken(debtToken(AAVE, tokens[i])).borrowAllowance(person, address(executor)) == 0, "a delegation stayed");
            for (uint256 j = 0; j < spenders.length; j++) {
                require(IERC20(tokens[i]).allowance(address(executor), spenders[j]) == 0, "an allowance stayed");
            }
        }
        require(!IMorpho(MORPHO).isAuthorized(person, address(executor)), "an authorisation stayed");
        require(order.market.loanToken != address(0), "an order without tokens");
    }
}
