// SPDX-License-Identifier: MIT
pragma solidity ^0.8.19;

struct MarketParams {
    address loanToken;
    address collateralToken;
    address oracle;
    address irm;
    uint256 lltv;
}

struct Market {
    uint128 totalSupplyAssets;
    uint128 totalSupplyShares;
    uint128 totalBorrowAssets;
    uint128 totalBorrowShares;
    uint128 lastUpdate;
    uint128 fee;
}

/// Morpho's adaptive rate model, written from its published formula: a curve with its kink at a utilisation of
/// 90 %, whose rate there drifts by up to 50 per year. Everything is scaled by 1e18; divisions truncate toward zero.
contract AdaptiveCurveIrm {
    int256 private constant WAD = 1e18;
    int256 private constant YEAR = 365 days;
    int256 public constant CURVE_STEEPNESS = 4e18;
    int256 public constant TARGET_UTILIZATION = 0.9e18;
    int256 public constant ADJUSTMENT_SPEED = 50e18 / YEAR;
    int256 public constant INITIAL_RATE_AT_TARGET = 0.04e18 / YEAR;
    int256 public constant MIN_RATE_AT_TARGET = 0.001e18 / YEAR;
    int256 public constant MAX_RATE_AT_TARGET = 2e18 / YEAR;
    int256 private constant LN2 = 693147180559945309;
    int256 private constant LN_SMALLEST = -41446531673892822312;
    int256 private constant EXP_TOO_LARGE_FROM = 93859467695000404319;
    int256 private constant LARGEST_EXP = 57716089161558943949701069502944508345128422502756744429568;

    address public immutable MORPHO;
    mapping(bytes32 => int256) public rateAtTarget;

    event BorrowRateUpdate(bytes32 indexed id, uint256 avgBorrowRate, uint256 rateAtTarget);

    constructor(address morpho) {
        require(morpho != address(0), "zero address");
        MORPHO = morpho;
    }

    function borrowRateView(MarketParams memory params, Market memory market) external view returns (uint256) {
        (uint256 average,) = _borrowRate(_id(params), market);
        return average;
    }

    function borrowRate(MarketParams memory params, Market memory market) external returns (uint256) {
        require(msg.sender == MORPHO, "not Morpho");
        bytes32 id = _id(params);
        (uint256 average, int256 end) = _borrowRate(id, market);
        rateAtTarget[id] = end;
        emit BorrowRateUpdate(id, average, uint256(end));
        return average;
    }

    function _id(MarketParams memory params) private pure returns (bytes32) {
        return keccak256(abi.encode(params));
    }

    function _borrowRate(bytes32 id, Market memory market) private view returns (uint256, int256) {
        int256 err = _error(market);
        (int256 average, int256 end) = _rateAtTarget(rateAtTarget[id], err, market.lastUpdate);
        return (uint256(_curve(average, err)), end);
    }

    function _error(Market memory market) private pure returns (int256) {
        int256 utilization = market.totalSupplyAssets > 0
            ? int256(uint256(market.totalBorrowAssets) * 1e18 / market.totalSupplyAssets)
            : int256(0);
        int256 width = utilization > TARGET_UTILIZATION ? WAD - TARGET_UTILIZATION : TARGET_UTILIZATION;
        return (utilization - TARGET_UTILIZATION) * WAD / width;
    }

    /// The average since the last update, and the value now.
    function _rateAtTarget(int256 start, int256 err, uint256 lastUpdate) private view returns (int256, int256) {
        if (start == 0) return (INITIAL_RATE_AT_TARGET, INITIAL_RATE_AT_TARGET);
        int256 linear = ADJUSTMENT_SPEED * err / WAD * int256(block.timestamp - lastUpdate);
        if (linear == 0) return (start, start);
        int256 end = _adapted(start, linear);
        return ((start + end + 2 * _adapted(start, linear / 2)) / 4, end);
    }

    function _adapted(int256 start, int256 linear) private pure returns (int256) {
        int256 rate = start * _exp(linear) / WAD;
        if (rate < MIN_RATE_AT_TARGET) return MIN_RATE_AT_TARGET;
        return rate > MAX_RATE_AT_TARGET ? MAX_RATE_AT_TARGET : rate;
    }

    function _curve(int256 rate, int256 err) private pure returns (int256) {
        int256 coefficient = err < 0 ? WAD - WAD * WAD / CURVE_STEEPNESS : CURVE_STEEPNESS - WAD;
        return (coefficient * err / WAD + WAD) * rate / WAD;
    }

    function _exp(int256 x) private pure returns (int256) {
        if (x < LN_SMALLEST) return 0;
        if (x >= EXP_TOO_LARGE_FROM) return LARGEST_EXP;
        int256 q = (x + (x < 0 ? -(LN2 / 2) : LN2 / 2)) / LN2;
        int256 r = x - q * LN2;
        int256 value = WAD + r + r * r / WAD / 2;
        return q >= 0 ? value << uint256(q) : value >> uint256(-q);
    }
}
