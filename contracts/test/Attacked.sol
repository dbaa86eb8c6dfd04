// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IAavePool, IERC20, IMorpho, MarketParams} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {Attacker, FixedPrice, HostileRouter, HostileToken} from "./Hostile.sol";
import {IMorphoMore, World} from "./World.sol";
import {vm} from "./Vm.sol";

/// The world with an attacker in it, who owns a router, a token, or a market.
abstract contract Attacked is World {
    Attacker internal attacker;

    function setUp() public override {
        super.setUp();
        attacker = new Attacker();
    }

    function routed(uint256 percent) internal returns (LeverageExecutor.Order memory order) {
        order = loop(AAVE);
        approveTaken(order);
        vm.etch(ROUTER, address(new HostileRouter(percent, attacker, WETH, WSTETH)).code);
        give(WETH, ROUTER, 1000 ether);
    }

    /// The attacker has a position of its own, whose order would go through, and would carry away what lies in the middle.
    function arm() internal {
        openFor(address(attacker), AAVE, [WSTETH, WETH], [uint256(10 ether), 5 ether]);
        LeverageExecutor.Order memory own = aaveOrder(AAVE, WETH, WSTETH, WETH_WSTETH);
        (own.borrowed, own.limit, own.taken, own.lender) = (1 ether, 1 ether, 1 ether, AAVE);
        address token = aToken(AAVE, WSTETH);
        vm.prank(address(attacker));
        IERC20(token).approve(address(executor), 1 ether);
        bytes memory data = abi.encode(address(attacker), false, own);
        give(WETH, address(executor), 1.1 ether);
        attacker.arm(address(executor), abi.encodeCall(LeverageExecutor.deleverage, (own)));
        attacker.arm(address(executor), abi.encodeCall(LeverageExecutor.leverage, (own)));
        attacker.arm(address(executor), abi.encodeCall(LeverageExecutor.onMorphoFlashLoan, (1 ether, data)));
        attacker.arm(address(executor), abi.encodeCall(LeverageExecutor.uniswapV3FlashCallback, (0, 0, data)));
        bytes memory callback =
            abi.encodeCall(LeverageExecutor.executeOperation, (WETH, 1 ether, 0, address(executor), data));
        attacker.arm(address(executor), callback);
        bytes memory loan = abi.encodeCall(IAavePool.flashLoanSimple, (address(executor), WETH, 1 ether, data, 0));
        attacker.arm(AAVE, loan);
        attacker.arm(SPARK, loan);
    }

    /// A market of Morpho whose collateral is the hostile token, and a position of the person in it.
    function hostileMarket(bool sticky, address refused)
        internal
        returns (LeverageExecutor.Order memory order, HostileToken token)
    {
        token = new HostileToken(attacker, sticky, refused);
        token.mint(person, 100 ether);
        order = aaveOrder(MORPHO, WETH, address(token), "");
        order.market = openMarket(WETH, address(token));
        (order.borrowed, order.limit, order.taken) = (10 ether, 10 ether, 10 ether);
        signAuthorization(order);
    }

    /// A new market of Morpho at a fixed price, 100 whole tokens in it, and the person's 50 against 100.
    function openMarket(address loan, address collateral) internal returns (MarketParams memory market) {
        market = MarketParams(loan, collateral, address(new FixedPrice()), RATE_MODEL, 0.86e18);
        uint256 unit = loan == WETH ? 1 ether : 1e6;
        give(loan, address(this), 100 * unit);
        (bool done,) = loan.call(abi.encodeCall(IERC20.approve, (MORPHO, 100 * unit)));
        require(done, "no approval");
        IMorphoMore(MORPHO).createMarket(market);
        IMorphoMore(MORPHO).supply(market, 100 * unit, 0, address(this), "");
        vm.startPrank(person);
        IERC20(collateral).approve(MORPHO, 100 ether);
        IMorpho(MORPHO).supplyCollateral(market, 100 ether, person, "");
        IMorpho(MORPHO).borrow(market, 50 * unit, 0, person, OWNER);
        vm.stopPrank();
    }
}
