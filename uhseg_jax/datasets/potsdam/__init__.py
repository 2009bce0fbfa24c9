"""ISPRS Potsdam: aerial pictures."""
