// SPDX-License-Identifier: MIT
pragma solidity ^0.8.19;

interface IFeed {
    function decimals() external view returns (uint8);
    function latestAnswer() external view returns (int256);
    function latestTimestamp() external view returns (uint256);
    function latestRound() external view returns (uint256);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// The price of a wrapped token: its exchange rate, capped, times the feed of what it wraps. The shape of
/// Aave's capped adapters, with the rate and the cap set by the owner. The feed's age is the adapter's.
contract RateAdapter {
    uint8 public constant RATIO_DECIMALS = 18;
    IFeed private immutable _feed;
    address public owner;
    int256 private _ratio;
    int256 private _maxRatio;
    string public description;

    constructor(IFeed feed, string memory description_, int256 ratio, int256 maxRatio) {
        owner = msg.sender;
        _feed = feed;
        description = description_;
        _ratio = ratio;
        _maxRatio = maxRatio;
    }

    function setRatio(int256 ratio) external {
        require(msg.sender == owner, "only owner");
        _ratio = ratio;
    }

    function setMaxRatio(int256 maxRatio) external {
        require(msg.sender == owner, "only owner");
        _maxRatio = maxRatio;
    }

    function BASE_TO_USD_AGGREGATOR() external view returns (address) {
        return address(_feed);
    }

    function getRatio() external view returns (int256) {
        return _ratio;
    }

    function getMaxRatio() external view returns (int256) {
        return _maxRatio;
    }

    function isCapped() public view returns (bool) {
        return _ratio > _maxRatio;
    }

    function decimals() external view returns (uint8) {
        return _feed.decimals();
    }

    function latestAnswer() external view returns (int256) {
        return _scaled(_feed.latestAnswer());
    }

    function latestTimestamp() external view returns (uint256) {
        return _feed.latestTimestamp();
    }

    function latestRound() external view returns (uint256) {
        return _feed.latestRound();
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) =
            _feed.latestRoundData();
        return (round, _scaled(answer), startedAt, updatedAt, answeredInRound);
    }

    function _scaled(int256 answer) private view returns (int256) {
        if (answer <= 0 || _ratio <= 0) return 0;
        return (answer * (isCapped() ? _maxRatio : _ratio)) / 1e18;
    }
}
