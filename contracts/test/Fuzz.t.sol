// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20, IMorpho} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {IDelegation, IMorphoMore, World} from "./World.sol";
import {vm} from "./Vm.sol";

interface IScaled {
    function scaledBalanceOf(address account) external view returns (uint256);
}

/// Random positions land on what they were promised, and random strangers change nothing of anybody's.
contract FuzzTest is World {
    address private stranger = address(0xBAD);

    function within(uint256 seed, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + seed % (high - low + 1);
    }

    function lenders(uint256 seed) internal pure returns (address) {
        address[5] memory all = [MORPHO, AAVE, SPARK, POOL_DAI_USDC, POOL_WETH_USDC_DEAR];
        return all[seed % 5];
    }

    /// WETH at 3,000 against USDC: any size, any health from 1.03, any share of the debt, any lender, both pools.
    function testFuzzDeleverageLandsOnItsPromise(uint256 size, uint256 loan, uint256 share, uint256 lender) public {
        address pool = lender % 2 == 0 ? AAVE : SPARK;
        size = within(size, 0.05 ether, 60 ether);
        uint256 owed = size * 3000 / 1e12 * within(loan, 5, pool == AAVE ? 80 : 79) / 100;
        openAave(pool, WETH, size, USDC, owed);
        LeverageExecutor.Order memory order = aaveOrder(pool, USDC, WETH, USDC_WETH);
        order.lender = lenders(lender / 2);
        order.borrowed = within(share, 1e6, owed);
        if (order.lender == POOL_WETH_USDC_DEAR && order.borrowed > 90_000e6) order.lender = MORPHO; // all it holds
        order.limit = order.borrowed * 1e12 * 102 / (3000 * 100) + 1e12;
        if (order.limit > size) order.limit = size;
        order.taken = order.limit;
        signPermit(order);

        (uint256 factor, uint256 held) = (health(pool, person), collateralOf(order, person));
        uint256 before = debtOf(order, person);
        order.promised.minHealthFactor = factor * 999 / 1000; // at a high health a sale at a loss may lower it
        order.promised.maxDebt = before - order.borrowed + 2;
        order.promised.minCollateral = held - order.taken - 2;
        delever(order);
        require(debtOf(order, person) + order.borrowed <= before + 2, "less was repaid");
        require(IERC20(USDC).balanceOf(person) <= 1, "more was bought than was owed");
    }

    function testFuzzLeverageLandsOnItsPromise(uint256 size, uint256 loan, uint256 share, uint256 lender) public {
        address pool = lender % 2 == 0 ? AAVE : SPARK;
        size = within(size, 0.05 ether, 40 ether);
        uint256 worth = size * 3000 / 1e12;
        openAave(pool, WETH, size, USDC, worth * within(loan, 2, 40) / 100);
        LeverageExecutor.Order memory order = aaveOrder(pool, USDC, WETH, USDC_WETH);
        order.lender = lenders(lender / 2);
        order.borrowed = worth * within(share, 1, 60) / 100;
        order.limit = order.borrowed * 1e12 / 3000 * 99 / 100;
        order.taken = order.borrowed + order.borrowed / 300 + 2;
        signDelegation(order);

        order.promised.minHealthFactor = 1e18;
        order.promised.maxDebt = debtOf(order, person) + order.taken + 2;
        order.promised.minCollateral = collateralOf(order, person) + order.limit - 2;
        lever(order);
        require(IERC20(WETH).balanceOf(person) == 0, "what was bought is not in the position");
    }

    function testFuzzIsolatedMarketLandsOnItsPromise(uint256 size, uint256 loan, uint256 share, uint256 lender) public {
        size = within(size, 0.05 ether, 100 ether);
        uint256 owed = size * 3660 / 1e12 * within(loan, 5, 85) / 100;
        openMorpho(usdcMarket(), size, owed);
        LeverageExecutor.Order memory order = aaveOrder(MORPHO, USDC, WSTETH, USDC_WSTETH);
        order.market = usdcMarket();
        order.lender = lenders(lender);
        if (order.lender == POOL_WETH_USDC_DEAR) order.lender = MORPHO;
        order.borrowed = within(share, 1e6, owed);
        order.limit = order.borrowed * 1e12 * 102 / (3660 * 100) + 1e12;
        if (order.limit > size) order.limit = size;
        order.taken = order.limit;
        signAuthorization(order);
        order.promised.maxDebt = owed - order.borrowed + 2;
        order.promised.minCollateral = size - order.taken;
        order.promised.minHealthFactor = 1e18;
        delever(order);
    }

    // ── Strangers, while somebody's rights lie open ─────────────────────────────────────────────────────────────────

    /// The worst moment: the person has approved, delegated and authorised, and has not called yet.
    function open() private returns (LeverageExecutor.Order memory order, bytes32 before) {
        order = loop(AAVE);
        approveTaken(order);
        isolated();
        address debt = debtToken(AAVE, WETH);
        vm.startPrank(person);
        IDelegation(debt).approveDelegation(address(executor), 1 ether);
        IMorphoMore(MORPHO).setAuthorization(address(executor), true);
        vm.stopPrank();
        openFor(stranger, AAVE, [WSTETH, WETH], [uint256(50 ether), 30 ether]);
        before = standing();
    }

    /// Everything of the person's that may not change by itself: scaled balances, the isolated position, the rights.
    function standing() private view returns (bytes32) {
        (address token, address debt) = (aToken(AAVE, WSTETH), debtToken(AAVE, WETH));
        (, uint128 shares, uint128 pledged) = IMorpho(MORPHO).position(keccak256(abi.encode(usdcMarket())), person);
        bytes memory held = abi.encode(IScaled(token).scaledBalanceOf(person), IScaled(debt).scaledBalanceOf(person));
        bytes memory wallet = abi.encode(IERC20(WETH).balanceOf(person), IERC20(WSTETH).balanceOf(person));
        uint256 allowed = IERC20(token).allowance(person, address(executor));
        return keccak256(abi.encode(held, wallet, shares, pledged, allowed));
    }

    function testFuzzStrangersOrdersChangeNothingOfAnothers(
        LeverageExecutor.Order memory order,
        uint256 seed,
        bool levering,
        bool rights
    ) public {
        (LeverageExecutor.Order memory theirs, bytes32 before) = open();
        address[4] memory protocols = [AAVE, SPARK, MORPHO, order.protocol];
        address[4] memory tokens = [WETH, WSTETH, USDC, aToken(AAVE, WSTETH)];
        order.protocol = protocols[seed % 4];
        order.lender = seed / 4 % 2 == 0 ? lenders(seed / 8) : order.lender;
        order.market = seed / 64 % 2 == 0 ? usdcMarket() : theirs.market;
        if (seed / 128 % 3 == 0) order.market.loanToken = tokens[seed / 512 % 4];
        if (seed / 128 % 5 == 0) order.market.collateralToken = tokens[seed / 2048 % 4];
        order.path = seed / 8192 % 2 == 0 ? WETH_WSTETH : USDC_WSTETH;
        (order.borrowed, order.taken) = (order.borrowed % 60 ether, order.taken % 60 ether);
        order.promised = anything();
        if (rights) (order.grant, order.revoke) = (theirs.grant, theirs.revoke);
        else (order.grant.v, order.revoke.v) = (0, 0);
        vm.startPrank(stranger);
        IERC20(tokens[3]).approve(address(executor), order.taken);
        if (levering) try executor.leverage(order) {} catch {}
        else try executor.deleverage(order) {} catch {}
        vm.stopPrank();
        require(standing() == before, "a stranger changed what is another's");
    }

    function testFuzzStrangersCallsChangeNothing(bytes memory data, uint256 selector, uint256 amount) public {
        (LeverageExecutor.Order memory theirs, bytes32 before) = open();
        bytes memory brought = selector / 8 % 2 == 0 ? abi.encode(person, selector / 16 % 2 == 0, theirs) : data;
        bytes[5] memory calls = [
            abi.encodeCall(LeverageExecutor.onMorphoFlashLoan, (amount, brought)),
            abi.encodeCall(LeverageExecutor.uniswapV3FlashCallback, (amount, 0, brought)),
            abi.encodeCall(LeverageExecutor.executeOperation, (WETH, amount, 0, address(executor), brought)),
            abi.encodeCall(LeverageExecutor.executeOperation, (WETH, amount, 0, stranger, brought)),
            data
        ];
        vm.prank(stranger);
        (bool done,) = address(executor).call(calls[selector % 5]);
        require(!done, "a stranger's call went through");
        require(standing() == before, "a stranger changed what is another's");
    }

    /// Without the stranger in between, the same rights serve their owner: what is fuzzed above is a live target.
    function testRightsThatLieOpenServeTheirOwner() public {
        (LeverageExecutor.Order memory order,) = open();
        vm.startPrank(person);
        IDelegation(debtToken(AAVE, WETH)).approveDelegation(address(executor), 0);
        executor.deleverage(order);
        vm.stopPrank();
        require(IERC20(aToken(AAVE, WSTETH)).allowance(person, address(executor)) == 0, "a right stayed");
    }
}
