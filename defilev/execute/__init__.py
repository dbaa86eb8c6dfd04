"""Do it: policy, keys, fees, signing and sending. The only room that touches a private key."""
