"""ISPRS Vaihingen: aerial images."""
