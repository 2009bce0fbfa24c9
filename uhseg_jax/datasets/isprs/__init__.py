"""ISPRS Potsdam and Vaihingen: aerial images."""
