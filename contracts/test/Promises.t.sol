// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {World} from "./World.sol";
import {vm} from "./Vm.sol";

/// Every promise holds to its last unit: what is got passes, one unit more than that reverts with what was got.
contract PromisesTest is World {
    bool private levering;
    uint256 private start;
    // What the order gives when nothing is promised.
    uint256 private factor;
    uint256 private debt;
    uint256 private collateral;
    uint256 private balance;

    function testPromisesOfDeleverageAtAave() public {
        LeverageExecutor.Order memory made = loop(AAVE);
        approveTaken(made);
        everyPromise(made, false);
    }

    function testPromisesOfDeleverageAtSpark() public {
        LeverageExecutor.Order memory made = pair(SPARK);
        approveTaken(made);
        everyPromise(made, false);
    }

    function testPromisesOfDeleverageAtMorpho() public {
        LeverageExecutor.Order memory made = isolated();
        signAuthorization(made);
        everyPromise(made, false);
    }

    function testPromisesOfLeverageAtAave() public {
        openAave(AAVE, WSTETH, 100 ether, WETH, 40 ether);
        LeverageExecutor.Order memory made = aaveOrder(AAVE, WETH, WSTETH, WETH_WSTETH);
        (made.borrowed, made.taken, made.limit) = (50 ether, 50.1 ether, 40.9 ether);
        delegateTaken(made);
        everyPromise(made, true);
    }

    function testPromisesOfLeverageAtMorpho() public {
        LeverageExecutor.Order memory made = isolated();
        (made.borrowed, made.taken, made.limit) = (30_000e6, 30_010e6, 8.1 ether);
        signAuthorization(made);
        everyPromise(made, true);
    }

    function testLastSecondAndLastBlockAreTheLast() public {
        LeverageExecutor.Order memory made = loop(AAVE);
        approveTaken(made);
        made.promised.deadline = block.timestamp - 1;
        refuses(made, abi.encodeWithSelector(LeverageExecutor.Late.selector));
        made.promised.deadline = block.timestamp;
        made.promised.lastBlock = block.number - 1;
        refuses(made, abi.encodeWithSelector(LeverageExecutor.Late.selector));
        made.promised.lastBlock = block.number;
        delever(made);
    }

    function testSecondExecutionOfTheSameOrderReverts() public {
        LeverageExecutor.Order memory made = loop(AAVE);
        signPermit(made);
        delever(made);
        bytes memory reason = abi.encodeWithSelector(LeverageExecutor.TokenFailed.selector, aToken(AAVE, WSTETH));
        refuses(made, reason);
    }

    function everyPromise(LeverageExecutor.Order memory made, bool more) private {
        levering = more;
        measure(made);
        LeverageExecutor.Promised memory exact = made.promised;
        exact.minHealthFactor = factor;
        exact.maxDebt = debt;
        exact.minCollateral = collateral;
        exact.minReturned = balance - start;
        run(made);
    }

    function measure(LeverageExecutor.Order memory made) private {
        address returned = levering ? made.market.loanToken : made.market.collateralToken;
        start = IERC20(returned).balanceOf(person);
        uint256 state = vm.snapshotState();
        run(made);
        factor = made.protocol == MORPHO ? morphoHealth(made) : health(made.protocol, person);
        (uint256 owed, uint256 left) = (debtOf(made, person), collateralOf(made, person));
        uint256 got = IERC20(returned).balanceOf(person);
        uint256 reached = factor;
        vm.revertToState(state);
        (factor, debt, collateral, balance, start) = (reached, owed, left, got, IERC20(returned).balanceOf(person));

        made.promised.minHealthFactor = factor + 1;
        refuses(made, abi.encodeWithSelector(LeverageExecutor.HealthFactorTooLow.selector, factor));
        made.promised.minHealthFactor = 0;
        made.promised.maxDebt = debt - 1;
        refuses(made, abi.encodeWithSelector(LeverageExecutor.DebtTooHigh.selector, debt));
        made.promised.maxDebt = debt;
        made.promised.minCollateral = collateral + 1;
        refuses(made, abi.encodeWithSelector(LeverageExecutor.CollateralTooLow.selector, collateral));
        made.promised.minCollateral = 0;
        made.promised.minReturned = balance - start + 1;
        refuses(made, abi.encodeWithSelector(LeverageExecutor.ReturnedTooLittle.selector, balance));
    }

    function morphoHealth(LeverageExecutor.Order memory made) private view returns (uint256) {
        (bool done, bytes memory answer) = made.market.oracle.staticcall(abi.encodeWithSignature("price()"));
        require(done, "no price");
        uint256 price = abi.decode(answer, (uint256));
        return collateralOf(made, person) * price / 1e36 * made.market.lltv / 1e18 * 1e18 / debtOf(made, person);
    }

    function run(LeverageExecutor.Order memory made) private {
        if (levering) lever(made);
        else delever(made);
    }

    function refuses(LeverageExecutor.Order memory made, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(person);
        if (levering) executor.leverage(made);
        else executor.deleverage(made);
    }
}
