"""ISPRS Vaihingen: aerial pictures."""
