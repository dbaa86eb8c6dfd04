// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Authorization, IERC20, IMorpho, MorphoSignature} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";
import {World} from "./World.sol";
import {vm} from "./Vm.sol";

/// Every protocol, lender and kind of right, against the real contracts.
contract OrdersTest is World {
    function testLoopAtHealth105IsTakenDownByOnePermit() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        signPermit(order);
        order.promised = LeverageExecutor.Promised(1.16e18, 50.4 ether, 50.4 ether, 0.3 ether, block.timestamp, block.number);
        delever(order);
        require(health(AAVE, person) > 1.16e18, "the health factor did not rise");
    }

    function testApprovalMadeBeforeServesAsWell() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        approveTaken(order);
        delever(order);
        require(debtOf(order, person) < 50.4 ether, "the debt stayed");
    }

    function testPermitThatSomebodyBroughtFirstDoesNoHarm() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        signPermit(order);
        address token = aToken(AAVE, WSTETH);
        (bool done,) = token.call(
            abi.encodeWithSignature(
                "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
                person,
                address(executor),
                order.taken,
                order.grant.deadline,
                order.grant.v,
                order.grant.r,
                order.grant.s
            )
        );
        require(done, "the stranger's permit failed");
        delever(order);
    }

    function testExpiredPermitReverts() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        signPermit(order);
        vm.warp(block.timestamp + 1);
        order.promised.deadline = block.timestamp;
        vm.expectRevert(abi.encodeWithSelector(LeverageExecutor.TokenFailed.selector, aToken(AAVE, WSTETH)));
        vm.prank(person);
        executor.deleverage(order);
    }

    function testEachLenderServesEachPool() public {
        address[5] memory lenders = [MORPHO, AAVE, SPARK, POOL_DAI_USDC, POOL_WETH_USDC_DEAR];
        address[2] memory pools = [AAVE, SPARK];
        for (uint256 i = 0; i < 10; i++) {
            uint256 state = vm.snapshotState();
            LeverageExecutor.Order memory order = pair(pools[i % 2]);
            order.lender = lenders[i / 2];
            signPermit(order);
            uint256 before = debtOf(order, person);
            delever(order);
            require(before - debtOf(order, person) >= order.borrowed - 1, "another amount was repaid");
            vm.revertToState(state);
        }
    }

    function testClosesWholeDebtAndBuysOnlyWhatIsOwed() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        (order.borrowed, order.limit, order.taken) = (110.5 ether, 92 ether, 99 ether);
        signPermit(order);
        order.promised = LeverageExecutor.Promised(type(uint256).max, 0, 0.9 ether, 8 ether, block.timestamp, block.number);
        delever(order);
        require(IERC20(WETH).balanceOf(person) == 0, "more debt token was bought than was owed");
    }

    function testTwoSwapsOfOnePathServeWhereNoPoolHasThePair() public {
        openAave(AAVE, WBTC, 2e8, USDC, 100_000e6);
        LeverageExecutor.Order memory order = aaveOrder(AAVE, USDC, WBTC, USDC_WBTC);
        (order.borrowed, order.limit, order.taken) = (30_000e6, 0.36e8, 0.36e8);
        signPermit(order);
        delever(order);
        require(debtOf(order, person) <= 70_001e6, "the debt stayed");
    }

    function testIsolatedMarketIsDeleveragedUnderSignedAuthorisation() public {
        LeverageExecutor.Order memory order = isolated();
        signAuthorization(order);
        order.promised.minHealthFactor = 1.5e18;
        order.promised.maxDebt = 150_001e6;
        order.promised.minCollateral = 72 ether;
        delever(order);
        require(debtOf(order, person) <= 150_001e6, "the debt stayed");
    }

    function testIsolatedMarketIsClosedByItsShares() public {
        LeverageExecutor.Order memory order = isolated();
        (order.borrowed, order.limit, order.taken) = (250_001e6, 70 ether, 100 ether);
        order.lender = AAVE;
        signAuthorization(order);
        order.promised.maxDebt = 0;
        order.promised.minHealthFactor = type(uint256).max;
        order.promised.minReturned = 30 ether;
        delever(order);
        require(collateralOf(order, person) == 0, "collateral stayed");
    }

    function testAuthorisationThatSomebodyBroughtFirstDoesNoHarm() public {
        LeverageExecutor.Order memory order = isolated();
        signAuthorization(order);
        IMorpho(MORPHO).setAuthorizationWithSig(
            Authorization(person, address(executor), true, 0, order.grant.deadline),
            MorphoSignature(order.grant.v, order.grant.r, order.grant.s)
        );
        delever(order);
    }

    function testBothSignaturesBroughtFirstRevert() public {
        LeverageExecutor.Order memory order = isolated();
        signAuthorization(order);
        LeverageExecutor.Signature[2] memory both = [order.grant, order.revoke];
        for (uint256 i = 0; i < 2; i++) {
            IMorpho(MORPHO).setAuthorizationWithSig(
                Authorization(person, address(executor), i == 0, i, both[i].deadline),
                MorphoSignature(both[i].v, both[i].r, both[i].s)
            );
        }
        vm.expectRevert("invalid signature");
        vm.prank(person);
        executor.deleverage(order);
    }

    function testLoopIsLeveredUnderSignedDelegation() public {
        openAave(AAVE, WSTETH, 100 ether, WETH, 40 ether);
        LeverageExecutor.Order memory order = aaveOrder(AAVE, WETH, WSTETH, WETH_WSTETH);
        (order.borrowed, order.taken, order.limit) = (50 ether, 50 ether, 40.9 ether);
        signDelegation(order);
        order.promised = LeverageExecutor.Promised(1.7e18, 90.01 ether, 140.9 ether, 0, block.timestamp, block.number);
        lever(order);
        require(collateralOf(order, person) > 140.9 ether, "too little collateral");
    }

    function testLeverageFromEachLenderUnderApprovedDelegation() public {
        address[5] memory lenders = [MORPHO, AAVE, SPARK, POOL_DAI_USDC, POOL_WETH_USDC_DEAR];
        for (uint256 i = 0; i < lenders.length; i++) {
            uint256 state = vm.snapshotState();
            openAave(AAVE, WETH, 50 ether, USDC, 10_000e6);
            LeverageExecutor.Order memory order = aaveOrder(AAVE, USDC, WETH, USDC_WETH);
            (order.lender, order.borrowed, order.taken, order.limit) = (lenders[i], 20_000e6, 20_100e6, 6.6 ether);
            order.promised.minReturned = lenders[i] == MORPHO ? 100e6 : 39e6;
            delegateTaken(order);
            lever(order);
            require(debtOf(order, person) >= 30_100e6, "another amount was drawn");
            vm.revertToState(state);
        }
    }

    function testIsolatedMarketIsLevered() public {
        LeverageExecutor.Order memory order = isolated();
        (order.borrowed, order.taken, order.limit) = (30_000e6, 30_000e6, 8.1 ether);
        signAuthorization(order);
        order.promised.maxDebt = 280_001e6;
        order.promised.minCollateral = 108.1 ether;
        order.promised.minHealthFactor = 1.2e18;
        lever(order);
    }

    function testTwoOrdersOfOneTransactionAreTwoOrders() public {
        LeverageExecutor.Order memory order = loop(AAVE);
        (order.borrowed, order.taken, order.limit) = (30 ether, 24.8 ether, 24.8 ether);
        signPermit(order);
        delever(order);
        signPermit(order);
        delever(order);
        require(debtOf(order, person) < 50.4 ether, "the debt stayed");
    }

    function testShippedCodeIsTheOneUnderTest() public view {
        bytes32 shipped = vm.parseJsonBytes32(vm.readFile("../abis/leverage_executor_code.json"), ".runtime_hash");
        require(address(executor).codehash == shipped, "run scripts/contracts build");
    }

    function testListsAreThoseOfTheChain() public {
        require(executor.isPool(AAVE) && executor.isPool(SPARK) && !executor.isPool(MORPHO), "Ethereum's pools");
        require(executor.isPool(0x4e033931ad43597d96D6bcc25c280717730B58B1), "prime");
        require(executor.isPool(0x0AA97c284e98396202b6A04024F5E2c65026F3c0), "etherfi");
        require(executor.morpho() == MORPHO && executor.router() == ROUTER, "Ethereum's Morpho and router");
        address elsewhere = 0x794a61358D6845594F94dc1DB02A252b5b4814aD;
        uint256[6] memory chains = [uint256(1), 10, 42161, 8453, 137, 31337];
        for (uint256 i = 0; i < chains.length; i++) {
            vm.chainId(chains[i]);
            bool ethereum = chains[i] == 1 || chains[i] == 31337;
            require(executor.isPool(AAVE) == ethereum, "Ethereum's pool");
            require(executor.isPool(elsewhere) == (chains[i] == 10 || chains[i] == 42161), "the rollups' pool");
            require(executor.isPool(0xA238Dd80C259a72e81d7e4664a9801593F98d1c5) == (chains[i] == 8453), "Base's pool");
            require((executor.morpho() == MORPHO) == (ethereum || chains[i] == 8453), "Ethereum's and Base's Morpho");
            require((executor.morpho() == address(0)) == (chains[i] == 137), "no Morpho");
            require((executor.router() == ROUTER) == (chains[i] != 8453), "the router");
        }
        vm.chainId(10);
        require(executor.morpho() == 0xce95AfbB8EA029495c66020883F87aaE8864AF92, "Optimism's Morpho");
        vm.chainId(42161);
        require(executor.morpho() == 0x6c247b1F6182318877311737BaC0844bAa518F5e, "Arbitrum's Morpho");
        vm.chainId(8453);
        require(executor.router() == 0x2626664c2603336E57B271c5C0b26F421741e481, "Base's router");
    }
}
