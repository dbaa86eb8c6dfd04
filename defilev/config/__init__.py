"""Settings, address books and the metadata cache: files in, frozen values out. Holds no private key, asks no node."""
