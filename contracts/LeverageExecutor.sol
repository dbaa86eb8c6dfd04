// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {
    Authorization,
    ExactInput,
    ExactOutput,
    IAavePool,
    IDebtToken,
    IERC20,
    IMorpho,
    IPermit,
    ISwapRouter02,
    IUniswapV3Factory,
    IUniswapV3Pool,
    MarketParams,
    MorphoSignature
} from "./Interfaces.sol";
import {Positions} from "./Positions.sol";

/// Takes the caller's own position at Aave v3, SparkLend or Morpho Blue to another leverage in one transaction, by a flash
/// loan, and reverts unless what was promised holds at its end. It has no owner, no storage and no upgrade, keeps nothing
/// between transactions, and calls no address outside of the lists below, other than the tokens and the oracle of the
/// position. Not audited.
contract LeverageExecutor is Positions {
    /// The worst that the caller accepts; measured after everything has happened.
    struct Promised {
        uint256 minHealthFactor; // the protocol's, at 1e18; Morpho: collateral value × LLTV / debt
        uint256 maxDebt; // of the debt token; 0 closes the debt: on Morpho it is then repaid by its shares
        uint256 minCollateral; // of the collateral token, left in the position
        uint256 minReturned; // to the caller's wallet: collateral token when deleveraging, debt token when levering
        uint256 deadline; // the last second, as block.timestamp
        uint256 lastBlock; // the last block.number
    }

    struct Signature {
        uint256 deadline;
        uint8 v; // 0: no signature, the caller has approved in a transaction before
        bytes32 r;
        bytes32 s;
    }

    struct Order {
        address protocol; // an Aave pool or Morpho
        MarketParams market; // at Aave only the two tokens count
        address lender; // of the flash loan: Morpho, an Aave pool or a Uniswap v3 pool that holds the debt token
        uint256 borrowed; // flash loan, in the debt token
        uint256 taken; // deleverage: collateral taken out of the position; leverage: debt drawn in the caller's name
        uint256 limit; // deleverage: most collateral sold; leverage: least collateral bought
        bytes path; // Uniswap v3's, from the debt token to the collateral token (deleverage buys exactly, so it runs backwards)
        Promised promised;
        Signature grant; // aToken permit, credit delegation or Morpho authorisation, for exactly `taken`
        Signature revoke; // Morpho: the authorisation's end, signed for the next nonce
    }

    error Busy();
    error Late();
    error UnknownProtocol(address protocol);
    error UnknownLender(address lender);
    error NoCallback();
    error Stranger(address sender);
    error TokenFailed(address token);
    error HealthFactorTooLow(uint256 healthFactor);
    error DebtTooHigh(uint256 debt);
    error CollateralTooLow(uint256 collateral);
    error ReturnedTooLittle(uint256 balance);
    error AllowanceLeft(address token, address spender);

    // Transient slots: cleared by the chain at the end of every transaction, and by us at the end of every call.
    uint256 private constant BUSY = 0;
    uint256 private constant EXPECTED = 1; // hash of the lender and of the order that its callback has to bring
    uint256 private constant VARIABLE_RATE = 2;

    /// Less debt: flash-borrow the debt token, repay, take collateral out, sell as little of it as pays the loan back.
    function deleverage(Order calldata order) external {
        _run(order, false);
    }

    /// More debt: flash-borrow the debt token, buy collateral with it, supply it, draw debt and pay the loan back.
    function leverage(Order calldata order) external {
        _run(order, true);
    }

    // ── Callbacks of the three lenders

    function onMorphoFlashLoan(uint256, bytes calldata data) external {
        _received(0, data);
    }

    function executeOperation(address, uint256, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool)
    {
        require(initiator == address(this), Stranger(initiator));
        _received(premium, data);
        return true;
    }

    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external {
        _received(fee0 + fee1, data);
    }

    // ── The call

    function _run(Order calldata order, bool levering) private {
        require(_load(BUSY) == 0, Busy());
        _store(BUSY, 1);
        require(block.timestamp <= order.promised.deadline && block.number <= order.promised.lastBlock, Late());
        require(_isMorpho(order.protocol) || isPool(order.protocol), UnknownProtocol(order.protocol));

        address returned = levering ? order.market.loanToken : order.market.collateralToken;
        uint256 least = IERC20(returned).balanceOf(msg.sender) + order.promised.minReturned;
        if (order.grant.v != 0) _grant(order, levering);
        _flash(order, abi.encode(msg.sender, levering, order));
        if (order.revoke.v != 0) _authorize(false, order.revoke);
        _giveBack(order.market.loanToken);
        _giveBack(order.market.collateralToken);

        _requirePosition(order);
        uint256 balance = IERC20(returned).balanceOf(msg.sender);
        require(balance >= least, ReturnedTooLittle(balance));
        _requireNoAllowance(order);
        _store(BUSY, 0);
    }

    function _flash(Order calldata order, bytes memory data) private {
        (address lender, address token, uint256 amount) = (order.lender, order.market.loanToken, order.borrowed);
        bool first = _lendsByPull(lender) || _isFirstOfListedPair(lender, token);
        _store(EXPECTED, _hash(lender, data));
        if (_isMorpho(lender)) IMorpho(lender).flashLoan(token, amount, data);
        else if (isPool(lender)) IAavePool(lender).flashLoanSimple(address(this), token, amount, data, 0);
        else IUniswapV3Pool(lender).flash(address(this), first ? amount : 0, first ? 0 : amount, data);
        require(_load(EXPECTED) == 0, NoCallback());
        _approve(token, lender, 0);
    }

    /// Morpho and Aave take what they are owed; a Uniswap pool wants it sent.
    function _lendsByPull(address lender) private view returns (bool) {
        return _isMorpho(lender) || isPool(lender);
    }

    function _isFirstOfListedPair(address lender, address token) private view returns (bool) {
        IUniswapV3Pool pool = IUniswapV3Pool(lender);
        (address token0, address token1, uint24 fee) = (pool.token0(), pool.token1(), pool.fee());
        address listed = IUniswapV3Factory(ISwapRouter02(router()).factory()).getPool(token0, token1, fee);
        require(listed == lender, UnknownLender(lender));
        return token == token0;
    }

    /// The money is here: act, and leave what is owed to the lender. The order comes back through the lender, so it counts
    /// only if it is the one that was sent, and only once.
    function _received(uint256 fee, bytes calldata data) private {
        address lender = msg.sender;
        require(_load(EXPECTED) == _hash(lender, data), Stranger(lender));
        _store(EXPECTED, 0);
        (address owner, bool levering, Order memory order) = abi.decode(data, (address, bool, Order));
        uint256 owed = order.borrowed + fee;
        if (levering) _lever(order, owner);
        else _delever(order, owner, owed);

        address token = order.market.loanToken;
        if (_lendsByPull(lender)) _approve(token, lender, owed);
        else _call(token, abi.encodeCall(IERC20.transfer, (lender, owed)));
    }

    function _delever(Order memory order, address owner, uint256 owed) private {
        address debt = order.market.loanToken;
        address collateral = order.market.collateralToken;
        _approve(debt, order.protocol, order.borrowed);
        if (!_isMorpho(order.protocol)) {
            IAavePool pool = IAavePool(order.protocol);
            pool.repay(debt, order.borrowed, VARIABLE_RATE, owner);
            address aToken = pool.getReserveData(collateral).aToken;
            _call(aToken, abi.encodeCall(IERC20.transferFrom, (owner, address(this), order.taken)));
            pool.withdraw(collateral, type(uint256).max, address(this));
        } else {
            IMorpho blue = IMorpho(order.protocol);
            (, uint128 shares,) = blue.position(_id(order.market), owner);
            if (order.promised.maxDebt == 0) blue.repay(order.market, 0, shares, owner, "");
            else blue.repay(order.market, order.borrowed, 0, owner, "");
            blue.withdrawCollateral(order.market, order.taken, owner, address(this));
        }
        _approve(debt, order.protocol, 0);

        uint256 balance = IERC20(debt).balanceOf(address(this));
        if (balance >= owed) return;
        _approve(collateral, router(), order.limit);
        ISwapRouter02(router()).exactOutput(ExactOutput(order.path, address(this), owed - balance, order.limit));
        _approve(collateral, router(), 0);
    }

    function _lever(Order memory order, address owner) private {
        address debt = order.market.loanToken;
        address collateral = order.market.collateralToken;
        _approve(debt, router(), order.borrowed);
        ISwapRouter02(router()).exactInput(ExactInput(order.path, address(this), order.borrowed, order.limit));
        _approve(debt, router(), 0);

        uint256 bought = IERC20(collateral).balanceOf(address(this));
        _approve(collateral, order.protocol, bought);
        if (!_isMorpho(order.protocol)) {
            IAavePool(order.protocol).supply(collateral, bought, owner, 0);
            IAavePool(order.protocol).borrow(debt, order.taken, VARIABLE_RATE, 0, owner);
        } else {
            IMorpho(order.protocol).supplyCollateral(order.market, bought, owner, "");
            IMorpho(order.protocol).borrow(order.market, order.taken, 0, owner, address(this));
        }
        _approve(collateral, order.protocol, 0);
    }

    // ── What the caller signed

    /// A signature that somebody else has already brought to the chain has done its work: the call goes on, and fails later
    /// if the right is not there.
    function _grant(Order calldata order, bool levering) private {
        Signature calldata grant = order.grant;
        if (_isMorpho(order.protocol)) {
            if (!IMorpho(order.protocol).isAuthorized(msg.sender, address(this))) _authorize(true, grant);
            return;
        }
        uint256 amount = order.taken;
        (uint256 until, uint8 v, bytes32 r, bytes32 s) = (grant.deadline, grant.v, grant.r, grant.s);
        if (levering) {
            address token = IAavePool(order.protocol).getReserveData(order.market.loanToken).variableDebtToken;
            try IDebtToken(token).delegationWithSig(msg.sender, address(this), amount, until, v, r, s) {} catch {}
        } else {
            address token = IAavePool(order.protocol).getReserveData(order.market.collateralToken).aToken;
            try IPermit(token).permit(msg.sender, address(this), amount, until, v, r, s) {} catch {}
        }
    }

    function _authorize(bool allowed, Signature calldata signed) private {
        IMorpho blue = IMorpho(morpho());
        uint256 nonce = blue.nonce(msg.sender);
        Authorization memory authorization = Authorization(msg.sender, address(this), allowed, nonce, signed.deadline);
        blue.setAuthorizationWithSig(authorization, MorphoSignature(signed.v, signed.r, signed.s));
    }

    // ── What was promised

    function _requirePosition(Order calldata order) private view {
        (uint256 health, uint256 debt, uint256 collateral) = _position(order.protocol, order.market, msg.sender);
        require(health >= order.promised.minHealthFactor, HealthFactorTooLow(health));
        require(debt <= order.promised.maxDebt, DebtTooHigh(debt));
        require(collateral >= order.promised.minCollateral, CollateralTooLow(collateral));
    }

    function _requireNoAllowance(Order calldata order) private view {
        address[2] memory tokens = [order.market.loanToken, order.market.collateralToken];
        address[3] memory spenders = [order.protocol, order.lender, router()];
        for (uint256 i = 0; i < 6; i++) {
            (address token, address spender) = (tokens[i % 2], spenders[i / 2]);
            require(IERC20(token).allowance(address(this), spender) == 0, AllowanceLeft(token, spender));
        }
        if (_isMorpho(order.protocol)) {
            bool left = IMorpho(order.protocol).isAuthorized(msg.sender, address(this));
            require(!left, AllowanceLeft(order.protocol, address(this)));
            return;
        }
        address aToken = IAavePool(order.protocol).getReserveData(order.market.collateralToken).aToken;
        require(IERC20(aToken).allowance(msg.sender, address(this)) == 0, AllowanceLeft(aToken, address(this)));
        address debt = IAavePool(order.protocol).getReserveData(order.market.loanToken).variableDebtToken;
        uint256 delegated = IDebtToken(debt).borrowAllowance(msg.sender, address(this));
        require(delegated == 0, AllowanceLeft(debt, address(this)));
    }

    // ── Small things

    function _hash(address lender, bytes memory data) private pure returns (uint256) {
        return uint256(keccak256(abi.encodePacked(lender, data)));
    }

    function _giveBack(address token) private {
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance != 0) _call(token, abi.encodeCall(IERC20.transfer, (msg.sender, balance)));
    }

    function _approve(address token, address spender, uint256 amount) private {
        _call(token, abi.encodeCall(IERC20.approve, (spender, amount)));
    }

    /// Some tokens return nothing; whoever returns something must return true.
    function _call(address token, bytes memory data) private {
        (bool done, bytes memory answer) = token.call(data);
        require(done && (answer.length == 0 ? token.code.length != 0 : abi.decode(answer, (bool))), TokenFailed(token));
    }

    function _load(uint256 slot) private view returns (uint256 value) {
        assembly ("memory-safe") {
            value := tload(slot)
        }
    }

    function _store(uint256 slot, uint256 value) private {
        assembly ("memory-safe") {
            tstore(slot, value)
        }
    }
}
