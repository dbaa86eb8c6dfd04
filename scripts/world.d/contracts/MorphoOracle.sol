// SPDX-License-Identifier: MIT
pragma solidity ^0.8.19;

interface IAnswers {
    function decimals() external view returns (uint8);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// The price of a collateral in a loan token, from a feed of each in the same currency. The read interface and the
/// arithmetic of Morpho's own feed oracle, whose second feeds and vaults are not used here: their addresses are zero.
contract MorphoOracle {
    IAnswers public immutable BASE_FEED_1;
    IAnswers public immutable QUOTE_FEED_1;
    uint256 public immutable SCALE_FACTOR;
    address public constant BASE_FEED_2 = address(0);
    address public constant QUOTE_FEED_2 = address(0);
    address public constant BASE_VAULT = address(0);
    address public constant QUOTE_VAULT = address(0);
    uint256 public constant BASE_VAULT_CONVERSION_SAMPLE = 1;
    uint256 public constant QUOTE_VAULT_CONVERSION_SAMPLE = 1;

    constructor(IAnswers baseFeed, IAnswers quoteFeed, uint256 collateralDecimals, uint256 loanDecimals) {
        BASE_FEED_1 = baseFeed;
        QUOTE_FEED_1 = quoteFeed;
        SCALE_FACTOR = 10 ** (36 + loanDecimals + quoteFeed.decimals() - collateralDecimals - baseFeed.decimals());
    }

    function price() external view returns (uint256) {
        return _answer(BASE_FEED_1) * SCALE_FACTOR / _answer(QUOTE_FEED_1);
    }

    function _answer(IAnswers feed) private view returns (uint256) {
        (, int256 answer,,,) = feed.latestRoundData();
        require(answer >= 0, "negative answer");
        return uint256(answer);
    }
}
