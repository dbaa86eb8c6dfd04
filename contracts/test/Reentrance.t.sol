// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {Attacked} from "./Attacked.sol";
import {HostileRouter, HostileToken} from "./Hostile.sol";
import {vm} from "./Vm.sol";

/// Tokens and venues that call back in the middle, lie, or keep what they were given.
contract ReentranceTest is Attacked {
    function testTheAttackersOwnOrderWouldGoThroughAlone() public {
        arm();
        attacker.fire();
        require(attacker.tried() == 7 && attacker.successes() == 1, "the attempt is no real one");
    }

    function testReentranceFromTheVenueFails() public {
        LeverageExecutor.Order memory order = routed(100);
        arm();
        delever(order);
        require(attacker.tried() == 7 && attacker.successes() == 0, "an attempt went through");
    }

    function testReentranceFromATokenFails() public {
        (LeverageExecutor.Order memory order,) = hostileMarket(false, address(0));
        arm();
        give(WETH, address(executor), 10 ether);
        vm.prank(person);
        executor.deleverage(order);
        require(attacker.tried() == 14 && attacker.successes() == 0, "an attempt went through");
    }

    function testAllowanceThatATokenKeepsReverts() public {
        (LeverageExecutor.Order memory order, HostileToken token) = hostileMarket(true, address(0));
        vm.etch(ROUTER, address(new HostileRouter(100, attacker, WETH, address(token))).code);
        token.mint(ROUTER, 10 ether);
        (order.borrowed, order.limit, order.taken) = (5 ether, 5 ether, 5 ether);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.AllowanceLeft.selector, address(token), MORPHO));
        vm.prank(person);
        executor.leverage(order);
    }

    function testAllowanceOfTheRouterThatATokenKeepsReverts() public {
        (LeverageExecutor.Order memory order, HostileToken token) = hostileMarket(true, address(0));
        vm.etch(ROUTER, address(new HostileRouter(100, attacker, WETH, address(token))).code);
        give(WETH, ROUTER, 10 ether);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.AllowanceLeft.selector, address(token), ROUTER));
        vm.prank(person);
        executor.deleverage(order);
    }

    /// The attacker brings the very order that is expected, before its lender does: the loan would be paid back to it.
    function testRightOrderFromTheWrongLenderIsRefused() public {
        HostileToken token = new HostileToken(attacker, false, address(0));
        give(WSTETH, person, 100 ether);
        LeverageExecutor.Order memory order = aaveOrder(MORPHO, address(token), WSTETH, "");
        order.market = openMarket(address(token), WSTETH);
        (order.borrowed, order.taken) = (10e6, 1 ether);
        signAuthorization(order);
        token.mint(address(executor), 20e6); // enough for the attacker's attempt to end well, were it let in
        bytes memory data = abi.encode(person, false, order);
        attacker.arm(address(executor), abi.encodeCall(LeverageExecutor.uniswapV3FlashCallback, (0, 0, data)));
        attacker.arm(address(executor), abi.encodeCall(LeverageExecutor.onMorphoFlashLoan, (10e6, data)));
        vm.prank(person);
        executor.deleverage(order);
        require(attacker.tried() > 1 && attacker.successes() == 0, "an attempt went through");
    }

    function testTokenThatAnswersFalseReverts() public {
        (LeverageExecutor.Order memory order, HostileToken token) = hostileMarket(false, address(executor));
        give(WETH, address(executor), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.TokenFailed.selector, address(token)));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testTokenThatIsNoneReverts() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        order.market.collateralToken = POOL_DAI_USDC; // no reserve of the pool, and no token
        vm.expectRevert();
        vm.prank(person);
        executor.deleverage(order);
        order.market.collateralToken = address(new HostileToken(attacker, false, address(0)));
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.TokenFailed.selector, address(0)));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testTokenThatAnswersNothingServes() public {
        HostileToken token = new HostileToken(attacker, false, address(0));
        token.mint(person, 100 ether);
        LeverageExecutor.Order memory order = aaveOrder(MORPHO, USDT, address(token), "");
        order.market = openMarket(USDT, address(token));
        (order.borrowed, order.taken) = (10e6, 1 ether);
        give(USDT, MORPHO, 10e6);
        give(USDT, address(executor), 11e6);
        signAuthorization(order);
        delever(order);
        require(IERC20(USDT).balanceOf(person) == 1e6, "the rest was not given back");
    }
}
