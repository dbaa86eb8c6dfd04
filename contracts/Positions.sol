// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IAavePool, IERC20, IMorpho, IMorphoOracle, MarketParams} from "./Interfaces.sol";
import {Venues} from "./Venues.sol";

/// What a position is by its protocol's own word: health factor at 1e18, debt and collateral in their tokens.
abstract contract Positions is Venues {
    function _position(address protocol, MarketParams calldata market, address owner)
        internal
        view
        returns (uint256 health, uint256 debt, uint256 collateral)
    {
        return _isMorpho(protocol) ? _morphoPosition(protocol, market, owner) : _aavePosition(protocol, market, owner);
    }

    function _aavePosition(address protocol, MarketParams calldata market, address owner)
        private
        view
        returns (uint256 health, uint256 debt, uint256 collateral)
    {
        IAavePool pool = IAavePool(protocol);
        (,,,,, health) = pool.getUserAccountData(owner);
        debt = IERC20(pool.getReserveData(market.loanToken).variableDebtToken).balanceOf(owner);
        collateral = IERC20(pool.getReserveData(market.collateralToken).aToken).balanceOf(owner);
    }

    /// Interest is up to date here, since repaying and drawing accrue it. Rounded as Morpho does: debt up, its limit down.
    function _morphoPosition(address protocol, MarketParams calldata market, address owner)
        private
        view
        returns (uint256 health, uint256 debt, uint256 collateral)
    {
        IMorpho blue = IMorpho(protocol);
        uint256 shares;
        (, shares, collateral) = blue.position(_id(market), owner);
        (,, uint256 totalAssets, uint256 totalShares,,) = blue.market(_id(market));
        (totalAssets, totalShares) = (totalAssets + 1, totalShares + 1e6);
        debt = (shares * totalAssets + totalShares - 1) / totalShares;
        uint256 most = collateral * IMorphoOracle(market.oracle).price() / 1e36 * market.lltv / 1e18;
        health = debt == 0 ? type(uint256).max : most * 1e18 / debt;
    }

    function _id(MarketParams memory market) internal pure returns (bytes32) {
        return keccak256(abi.encode(market));
    }
}
