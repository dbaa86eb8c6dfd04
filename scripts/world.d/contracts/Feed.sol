// SPDX-License-Identifier: MIT
pragma solidity ^0.8.19;

/// A price feed with Chainlink's read interface. Its owner sets the answer and, to make it stale, its time.
/// The newest round lies in plain slots: slot 0 is its answer, slot 1 its time, so `eth_call` with a state
/// override of slot 0 asks "what if the price were".
contract Feed {
    int256 public latestAnswer;
    uint256 public latestTimestamp;
    uint80 private _latestRound;
    address public owner;
    uint8 public immutable decimals;
    string public description;

    struct Round {
        int256 answer;
        uint256 updatedAt;
    }

    mapping(uint80 => Round) private _rounds;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(uint8 decimals_, string memory description_, int256 answer) {
        owner = msg.sender;
        decimals = decimals_;
        description = description_;
        _push(answer, block.timestamp);
    }

    function set(int256 answer) external {
        setAt(answer, block.timestamp);
    }

    function setAt(int256 answer, uint256 updatedAt) public {
        require(msg.sender == owner, "only owner");
        _push(answer, updatedAt);
    }

    function version() external pure returns (uint256) {
        return 4;
    }

    function latestRound() external view returns (uint256) {
        return _latestRound;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (_latestRound, latestAnswer, latestTimestamp, latestTimestamp, _latestRound);
    }

    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        require(round >= 1 && round <= _latestRound, "No data present");
        Round memory data = _rounds[round];
        return (round, data.answer, data.updatedAt, data.updatedAt, round);
    }

    function _push(int256 answer, uint256 updatedAt) private {
        _latestRound += 1;
        latestAnswer = answer;
        latestTimestamp = updatedAt;
        _rounds[_latestRound] = Round(answer, updatedAt);
        emit AnswerUpdated(answer, _latestRound, updatedAt);
    }
}
