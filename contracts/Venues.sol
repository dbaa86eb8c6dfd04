// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// Where LeverageExecutor may go: the same code on every chain, so that it has one address and one hash, and on a chain that
/// is not listed nothing can be done. 31337 is a local chain that carries Ethereum's contracts at their addresses.
abstract contract Venues {
    /// Aave v3 and SparkLend pools, which lend in flash loans too.
    function isPool(address pool) public view returns (bool) {
        if (block.chainid == 1 || block.chainid == 31337) {
            return pool == 0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2 // Aave core
                || pool == 0x4e033931ad43597d96D6bcc25c280717730B58B1 // Aave prime
                || pool == 0x0AA97c284e98396202b6A04024F5E2c65026F3c0 // Aave etherfi
                || pool == 0xC13e21B648A5Ee794902342038FF3aDAB66BE987; // SparkLend
        }
        if (block.chainid == 8453) return pool == 0xA238Dd80C259a72e81d7e4664a9801593F98d1c5;
        return (block.chainid == 10 || block.chainid == 42161) && pool == 0x794a61358D6845594F94dc1DB02A252b5b4814aD;
    }

    function morpho() public view returns (address) {
        if (block.chainid == 10) return 0xce95AfbB8EA029495c66020883F87aaE8864AF92;
        if (block.chainid == 42161) return 0x6c247b1F6182318877311737BaC0844bAa518F5e;
        bool listed = block.chainid == 1 || block.chainid == 8453 || block.chainid == 31337;
        return listed ? 0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb : address(0);
    }

    function router() public view returns (address) {
        return block.chainid == 8453
            ? 0x2626664c2603336E57B271c5C0b26F421741e481
            : 0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45;
    }

    function _isMorpho(address account) internal view returns (bool) {
        return account != address(0) && account == morpho();
    }
}
