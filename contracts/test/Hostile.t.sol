// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ExactInput, IAavePool, IERC20, ISwapRouter02} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {Attacked} from "./Attacked.sol";
import {FalsePool, Lie, LyingLender} from "./Hostile.sol";
import {IDelegation} from "./World.sol";
import {vm} from "./Vm.sol";

/// What an attacker can try, with each capability: nothing of it may go through.
contract HostileTest is Attacked {
    address private stranger = address(0xBAD);

    // ── Somebody else's call ────────────────────────────────────────────────────────────────────────────────────────

    function testStrangersCallbacksAreRefused() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        bytes memory data = abi.encode(person, false, order);
        address[4] memory senders = [stranger, MORPHO, AAVE, POOL_DAI_USDC];
        for (uint256 i = 0; i < senders.length; i++) {
            bytes memory reason = abi.encodeWithSelector(LeverageExecutor.Stranger.selector, senders[i]);
            vm.startPrank(senders[i]);
            vm.expectRevert(reason);
            executor.onMorphoFlashLoan(1, data);
            vm.expectRevert(reason);
            executor.executeOperation(WETH, 1, 0, address(executor), data);
            vm.expectRevert(reason);
            executor.uniswapV3FlashCallback(0, 0, data);
            vm.stopPrank();
        }
    }

    function testFlashLoanThatAStrangerStartsForTheExecutorIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.Stranger.selector, stranger));
        vm.prank(stranger);
        IAavePool(AAVE).flashLoanSimple(address(executor), WETH, 1 ether, "", 0);
    }

    function testRightsOfAnotherCannotBeUsed() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        openFor(stranger, AAVE, [WSTETH, WETH], [uint256(100 ether), 110 ether]);
        uint256 before = collateralOf(order, person);
        bytes memory reason = abi.encodeWithSelector(LeverageExecutor.TokenFailed.selector, aToken(AAVE, WSTETH));
        for (uint256 i = 0; i < 2; i++) {
            vm.expectRevert(reason);
            vm.prank(stranger);
            executor.deleverage(order);
            signPermit(order);
        }
        require(collateralOf(order, person) == before, "the victim lost collateral");
    }

    function testOnlyListedProtocolsAreCalled() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        address[3] memory others = [address(0), address(attacker), ROUTER];
        for (uint256 i = 0; i < others.length; i++) {
            order.protocol = others[i];
            bytes memory reason = abi.encodeWithSelector(LeverageExecutor.UnknownProtocol.selector, others[i]);
            vm.expectRevert(reason);
            vm.prank(person);
            executor.deleverage(order);
        }
        order.protocol = address(0);
        vm.chainId(137);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.UnknownProtocol.selector, address(0)));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testContractThatSaysItIsAPoolIsNoLender() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        order.lender = address(new FalsePool(WSTETH, WETH));
        give(WETH, address(executor), 60 ether);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.UnknownLender.selector, order.lender));
        vm.prank(person);
        executor.deleverage(order);
    }

    // ── A lender that lies ──────────────────────────────────────────────────────────────────────────────────────────

    function testLenderThatNeverCallsBackIsNoticed() public {
        LeverageExecutor.Order memory order = lied(Lie.Silent);
        order.taken = 0;
        vm.expectRevert(LeverageExecutor.NoCallback.selector);
        vm.prank(person);
        executor.deleverage(order);
    }

    function testLenderThatNamesAnotherOwnerIsRefused() public {
        LeverageExecutor.Order memory order = lied(Lie.OtherOwner);
        approveTaken(order);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.Stranger.selector, MORPHO));
        vm.prank(stranger);
        executor.deleverage(order);
    }

    function testLenderThatCallsTwiceIsRefused() public {
        LeverageExecutor.Order memory order = lied(Lie.Twice);
        (order.borrowed, order.limit, order.taken) = (20 ether, 16.6 ether, 16.6 ether);
        address token = aToken(AAVE, WSTETH);
        vm.prank(person);
        IERC20(token).approve(address(executor), 2 * order.taken);
        give(WETH, address(executor), 20 ether);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.Stranger.selector, MORPHO));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testLenderWithoutMoneyGivesNothingAway() public {
        LeverageExecutor.Order memory order = lied(Lie.Penniless);
        approveTaken(order);
        vm.expectRevert();
        vm.prank(person);
        executor.deleverage(order);
    }

    function testPoolThatNamesAnotherInitiatorIsRefused() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        order.lender = SPARK;
        give(WETH, SPARK, 1000 ether);
        vm.etch(SPARK, address(new LyingLender(Lie.OtherInitiator, stranger)).code);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.Stranger.selector, stranger));
        vm.prank(person);
        executor.deleverage(order);
        vm.etch(SPARK, address(new LyingLender(Lie.None, stranger)).code);
        vm.prank(person);
        executor.deleverage(order);
    }

    function lied(Lie lie) private returns (LeverageExecutor.Order memory order) {
        order = loop(AAVE);
        vm.etch(MORPHO, address(new LyingLender(lie, person)).code);
    }

    // ── A venue that cheats ─────────────────────────────────────────────────────────────────────────────────────────

    function testRouterThatTakesAndGivesNothingGetsNothing() public {
        LeverageExecutor.Order memory order = routed(0);
        vm.expectRevert("transferFrom reverted");
        vm.prank(person);
        executor.deleverage(order);
        order = leveringOrder();
        vm.expectRevert(bytes4(keccak256("InvalidAmount()")));
        vm.prank(person);
        executor.leverage(order);
    }

    function testRouterTakesAtMostTheLimitAndThePromiseSeesIt() public {
        LeverageExecutor.Order memory order = routed(100);
        order.limit = 49.4 ether;
        uint256 state = vm.snapshotState();
        delever(order);
        require(IERC20(WSTETH).balanceOf(ROUTER) == 49.4 ether, "more than the limit was taken");
        vm.revertToState(state);
        order.promised.minReturned = 0.2 ether;
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.ReturnedTooLittle.selector, uint256(0.1 ether)));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testRouterThatGivesTooLittleIsCaughtByThePromise() public {
        routed(50);
        LeverageExecutor.Order memory order = leveringOrder();
        order.promised.minCollateral = 205 ether;
        vm.expectPartialRevert(LeverageExecutor.CollateralTooLow.selector);
        vm.prank(person);
        executor.leverage(order);
        order.promised.minCollateral = 0;
        lever(order);
    }

    function testSandwichedSaleReverts() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        order.limit = 49.2 ether;
        push(WSTETH, WETH, 8000 ether);
        vm.expectRevert(bytes("STF")); // the router may not pull more than the limit
        vm.prank(person);
        executor.deleverage(order);
    }

    function testSandwichedPurchaseReverts() public {
        LeverageExecutor.Order memory order = leveringOrder();
        order.limit = 8.18 ether;
        push(WETH, WSTETH, 4000 ether);
        vm.expectRevert("Too little received");
        vm.prank(person);
        executor.leverage(order);
    }

    function push(address sold, address bought, uint256 amount) private {
        give(sold, stranger, amount);
        vm.startPrank(stranger);
        IERC20(sold).approve(ROUTER, amount);
        ISwapRouter02(ROUTER).exactInput(ExactInput(abi.encodePacked(sold, uint24(100), bought), stranger, amount, 0));
        vm.stopPrank();
    }

    function leveringOrder() private returns (LeverageExecutor.Order memory order) {
        openAave(AAVE, WSTETH, 100 ether, WETH, 1 ether);
        address token = aToken(AAVE, WSTETH);
        vm.prank(person);
        IERC20(token).approve(address(executor), 0);
        give(WSTETH, ROUTER, 100 ether);
        order = aaveOrder(AAVE, WETH, WSTETH, WETH_WSTETH);
        (order.borrowed, order.taken, order.limit) = (10 ether, 10 ether, 8 ether);
        delegateTaken(order);
    }

    // ── What stays behind ───────────────────────────────────────────────────────────────────────────────────────────

    function testLargerApprovalThanTakenReverts() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        address token = aToken(AAVE, WSTETH);
        vm.prank(person);
        IERC20(token).approve(address(executor), order.taken + 2);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.AllowanceLeft.selector, token, address(executor)));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testLargerDelegationThanTakenReverts() public {
        openAave(AAVE, WSTETH, 100 ether, WETH, 40 ether);
        LeverageExecutor.Order memory order = aaveOrder(AAVE, WETH, WSTETH, WETH_WSTETH);
        (order.borrowed, order.taken, order.limit) = (50 ether, 50 ether, 40.9 ether);
        address token = debtToken(AAVE, WETH);
        vm.prank(person);
        IDelegation(token).approveDelegation(address(executor), order.taken + 2);
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.AllowanceLeft.selector, token, address(executor)));
        vm.prank(person);
        executor.leverage(order);
    }

    function testAuthorisationThatIsNotRevokedReverts() public {
        LeverageExecutor.Order memory order = isolated();
        signAuthorization(order);
        order.revoke.v = 0;
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.AllowanceLeft.selector, MORPHO, address(executor)));
        vm.prank(person);
        executor.deleverage(order);
    }

    /// Who sends tokens to the executor gives them to its next caller; nothing breaks by it.
    function testDonationsGoToTheNextCaller() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        give(WETH, address(executor), 3);
        give(WSTETH, address(executor), 7);
        openFor(stranger, AAVE, [WSTETH, WETH], [uint256(10 ether), 1 ether]);
        address token = aToken(AAVE, WSTETH);
        vm.prank(stranger);
        IERC20(token).transfer(address(executor), 1 ether);
        order.promised.minReturned = 1.3 ether;
        delever(order);
    }
}
