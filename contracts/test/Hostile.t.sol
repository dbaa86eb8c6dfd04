// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IAavePool, IERC20, IMorpho, ISwapRouter02, MarketParams, ExactInput} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {
    Attacker,
    FalsePool,
    FixedPrice,
    HostileRouter,
    HostileToken,
    Lie,
    LyingLender
} from "./Hostile.sol";
import {IDelegation, IMorphoMore, World} from "./World.sol";
import {vm} from "./Vm.sol";

/// What an attacker can try, with each capability: nothing of it may go through.
contract HostileTest is World {
    Attacker private attacker;
    address private stranger = address(0xBAD);

    function setUp() public override {
        super.setUp();
        attacker = new Attacker();
    }

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

    function routed(uint256 percent) private returns (LeverageExecutor.Order memory order) {
        order = loop(AAVE);
        approveTaken(order);
        vm.etch(ROUTER, address(new HostileRouter(percent, attacker, WETH, WSTETH)).code);
        give(WETH, ROUTER, 1000 ether);
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

    // ── Re-entrance ─────────────────────────────────────────────────────────────────────────────────────────────────

    /// The attacker has a position of its own, whose order would go through, and would carry away what lies in the middle.
    function arm() private {
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

    /// A market of Morpho whose collateral is the hostile token, and a position of the person in it.
    function hostileMarket(bool sticky, address refused)
        private
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
    function openMarket(address loan, address collateral) private returns (MarketParams memory market) {
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

    // ── What stays behind ───────────────────────────────────────────────────────────────────────────────────────────

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
