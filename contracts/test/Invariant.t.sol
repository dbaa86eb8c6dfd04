// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ExactInput, IAavePool, IDebtToken, IERC20, IMorpho, ISwapRouter02} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {IDelegation, IMorphoMore, World} from "./World.sol";
import {vm} from "./Vm.sol";

interface IScaled {
    function scaledBalanceOf(address account) external view returns (uint256);
}

/// One person who changes leverage, at random; a market that moves; a stranger who tries everything; and a bystander, whose
/// approval, delegation and authorisation lie open all the time.
contract Crowd is World {
    address internal constant BYSTANDER = address(0xB57A);
    address internal constant STRANGER = address(0xBAD);
    uint256 public changes;
    uint256 public attacks;

    constructor() {
        setUp();
        openFor(BYSTANDER, AAVE, [WSTETH, WETH], [uint256(100 ether), 50 ether]);
        openFor(STRANGER, AAVE, [WSTETH, WETH], [uint256(100 ether), 50 ether]);
        openAave(AAVE, WSTETH, 100 ether, WETH, 50 ether);
        (address token, address debt) = (aToken(AAVE, WSTETH), debtToken(AAVE, WETH));
        vm.startPrank(BYSTANDER);
        IERC20(token).approve(address(executor), 20 ether);
        IDelegation(debt).approveDelegation(address(executor), 20 ether);
        IMorphoMore(MORPHO).setAuthorization(address(executor), true);
        vm.stopPrank();
    }

    function _order(uint256 amount, uint256 lender) private view returns (LeverageExecutor.Order memory order) {
        order = aaveOrder(AAVE, WETH, WSTETH, WETH_WSTETH);
        order.lender = [MORPHO, AAVE, SPARK][lender % 3];
        order.borrowed = 0.01 ether + amount % 30 ether;
    }

    function deleverage(uint256 amount, uint256 lender) external {
        LeverageExecutor.Order memory order = _order(amount, lender);
        order.limit = order.borrowed;
        order.taken = order.limit;
        approveTaken(order);
        vm.prank(person);
        try executor.deleverage(order) {
            changes++;
        } catch {
            order.taken = 0;
            approveTaken(order);
        }
    }

    function leverage(uint256 amount, uint256 lender) external {
        LeverageExecutor.Order memory order = _order(amount, lender);
        order.taken = order.borrowed + order.borrowed / 500;
        delegateTaken(order);
        vm.prank(person);
        try executor.leverage(order) {
            changes++;
        } catch {
            order.taken = 0;
            delegateTaken(order);
        }
    }

    function attack(uint256 amount, uint256 lender, uint256 way) external {
        LeverageExecutor.Order memory order = _order(amount, lender);
        (order.taken, order.limit) = (20 ether, 20 ether);
        bytes memory data = abi.encode(BYSTANDER, way % 2 == 0, order);
        attacks++;
        vm.startPrank(STRANGER);
        if (way % 6 == 0) try executor.deleverage(order) {} catch {}
        if (way % 6 == 1) try executor.leverage(order) {} catch {}
        if (way % 6 == 2) try executor.onMorphoFlashLoan(amount, data) {} catch {}
        if (way % 6 == 3) try executor.executeOperation(WETH, amount, 0, address(executor), data) {} catch {}
        if (way % 6 == 4) try executor.uniswapV3FlashCallback(amount, 0, data) {} catch {}
        if (way % 6 == 5) try IAavePool(AAVE).flashLoanSimple(address(executor), WETH, 1 ether, data, 0) {} catch {}
        vm.stopPrank();
    }

    function trade(uint256 amount, bool sells) external {
        (address sold, address bought) = sells ? (WSTETH, WETH) : (WETH, WSTETH);
        amount = amount % 500 ether + 1;
        give(sold, STRANGER, amount);
        vm.startPrank(STRANGER);
        IERC20(sold).approve(ROUTER, amount);
        bytes memory path = abi.encodePacked(sold, uint24(100), bought);
        try ISwapRouter02(ROUTER).exactInput(ExactInput(path, STRANGER, amount, 0)) {} catch {}
        vm.stopPrank();
    }

    function wait_(uint256 time) external {
        vm.warp(block.timestamp + time % 30 days);
        vm.roll(block.number + 1 + time % 1000);
    }

    // ── What has to hold after any of it ────────────────────────────────────────────────────────────────────────────

    function requireNothingHeld() external view {
        address[4] memory tokens = [WETH, WSTETH, aToken(AAVE, WETH), aToken(AAVE, WSTETH)];
        address[5] memory spenders = [AAVE, SPARK, MORPHO, ROUTER, STRANGER];
        for (uint256 i = 0; i < 20; i++) {
            require(IERC20(tokens[i % 4]).balanceOf(address(executor)) == 0, "a token stayed");
            require(IERC20(tokens[i % 4]).allowance(address(executor), spenders[i / 4]) == 0, "an allowance stayed");
        }
        require(IERC20(tokens[3]).allowance(person, address(executor)) == 0, "an approval stayed");
        require(IDebtToken(debtToken(AAVE, WETH)).borrowAllowance(person, address(executor)) == 0, "a delegation stayed");
    }

    function requireBystanderUntouched() external view {
        (address token, address debt) = (aToken(AAVE, WSTETH), debtToken(AAVE, WETH));
        require(IERC20(token).balanceOf(BYSTANDER) >= 100 ether - 1, "the bystander lost collateral");
        require(IERC20(token).allowance(BYSTANDER, address(executor)) == 20 ether, "the approval was used");
        require(IDebtToken(debt).borrowAllowance(BYSTANDER, address(executor)) == 20 ether, "the delegation was used");
        require(IScaled(debt).scaledBalanceOf(BYSTANDER) <= 50 ether, "the bystander owes more");
        require(IMorpho(MORPHO).isAuthorized(BYSTANDER, address(executor)), "the authorisation was used");
    }
}

contract InvariantTest {
    Crowd private crowd;

    function setUp() public {
        crowd = new Crowd();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(crowd);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](5);
        (selectors[0], selectors[1], selectors[2]) = (Crowd.deleverage.selector, Crowd.leverage.selector, Crowd.attack.selector);
        (selectors[3], selectors[4]) = (Crowd.trade.selector, Crowd.wait_.selector);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(crowd), selectors);
    }

    function invariantNothingStaysInTheExecutor() external view {
        crowd.requireNothingHeld();
    }

    function invariantTheBystanderIsUntouched() external view {
        crowd.requireBystanderUntouched();
    }

    function afterInvariant() external view {
        require(crowd.changes() > 0 && crowd.attacks() > 0, "nothing was tried");
    }
}
