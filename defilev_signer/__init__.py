"""A signer in a process of its own: holds one key, decodes every transaction itself, signs what its policy allows.

It shares no code with the package that makes the transactions, and reads nothing from a network.
"""
