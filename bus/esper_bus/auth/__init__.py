"""Authentication over tcp: CURVE keys, the allow-list, and the answers to libzmq's requests (ZAP)."""
