// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ExactInput, ExactOutput, IERC20} from "../Interfaces.sol";
import {LeverageExecutor} from "../LeverageExecutor.sol";

/// An attacker's contract: keeps what it will try, tries all of it when it is let in, and counts what went through.
contract Attacker {
    struct Attempt {
        address target;
        bytes data;
    }

    Attempt[] private _attempts;
    uint256 public tried;
    uint256 public successes;

    function arm(address target, bytes calldata data) external {
        _attempts.push(Attempt(target, data));
    }

    function fire() external {
        for (uint256 i = 0; i < _attempts.length; i++) {
            (bool done,) = _attempts[i].target.call(_attempts[i].data);
            tried++;
            if (done) successes++;
        }
    }
}

/// A token that lets the attacker in whenever it moves, whose allowances may never go down, and which answers one account's
/// transfers with false.
contract HostileToken {
    Attacker private immutable _attacker;
    bool private immutable _sticky;
    address private immutable _refused;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(Attacker attacker, bool sticky, address refused) {
        (_attacker, _sticky, _refused) = (attacker, sticky, refused);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        if (!_sticky || amount != 0) allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return msg.sender != _refused && _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        if (!_sticky) allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        _attacker.fire();
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// A router that takes all it may and gives the stated share of what it owes, in the middle of which the attacker is let in.
contract HostileRouter {
    uint256 private immutable _percent;
    Attacker private immutable _attacker;
    IERC20 private immutable _debt;
    IERC20 private immutable _collateral;

    constructor(uint256 percent, Attacker attacker, address debt, address collateral) {
        (_percent, _attacker, _debt, _collateral) = (percent, attacker, IERC20(debt), IERC20(collateral));
    }

    function exactOutput(ExactOutput calldata params) external returns (uint256) {
        _attacker.fire();
        uint256 held = _collateral.balanceOf(msg.sender);
        uint256 allowed = _collateral.allowance(msg.sender, address(this));
        _collateral.transferFrom(msg.sender, address(this), held < allowed ? held : allowed);
        _debt.transfer(params.recipient, params.amountOut * _percent / 100);
        return params.amountInMaximum;
    }

    function exactInput(ExactInput calldata params) external returns (uint256) {
        _attacker.fire();
        _debt.transferFrom(msg.sender, address(this), params.amountIn);
        _collateral.transfer(params.recipient, params.amountOutMinimum * _percent / 100);
        return params.amountOutMinimum;
    }
}

enum Lie {
    Silent,
    OtherOwner,
    Twice,
    Penniless,
    OtherInitiator,
    None
}

/// A lender at a listed address whose code has turned: it holds the token, and lies as it was told.
contract LyingLender {
    Lie private immutable _lie;
    address private immutable _victim;

    constructor(Lie lie, address victim) {
        (_lie, _victim) = (lie, victim);
    }

    function flashLoan(address token, uint256 amount, bytes calldata data) external {
        if (_lie == Lie.Silent) return;
        if (_lie != Lie.Penniless) IERC20(token).transfer(msg.sender, amount);
        bytes memory brought = data;
        address victim = _victim;
        if (_lie == Lie.OtherOwner) {
            assembly {
                mstore(add(brought, 32), victim)
            }
        }
        LeverageExecutor(msg.sender).onMorphoFlashLoan(amount, brought);
        if (_lie == Lie.Twice) LeverageExecutor(msg.sender).onMorphoFlashLoan(amount, brought);
        IERC20(token).transferFrom(msg.sender, address(this), amount);
    }

    function flashLoanSimple(address receiver, address token, uint256 amount, bytes calldata data, uint16) external {
        IERC20(token).transfer(receiver, amount);
        address initiator = _lie == Lie.OtherInitiator ? _victim : msg.sender;
        LeverageExecutor(receiver).executeOperation(token, amount, 0, initiator, data);
        IERC20(token).transferFrom(receiver, address(this), amount);
    }
}

/// A contract that says it is a Uniswap pool which exists, at another address.
contract FalsePool {
    address public immutable token0;
    address public immutable token1;
    uint24 public constant fee = 100;

    constructor(address first, address second) {
        (token0, token1) = (first, second);
    }

    function flash(address, uint256, uint256, bytes calldata data) external {
        LeverageExecutor(msg.sender).uniswapV3FlashCallback(0, 0, data);
    }
}

contract FixedPrice {
    function price() external pure returns (uint256) {
        return 1e36;
    }
}
