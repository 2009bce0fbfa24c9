"""ISPRS Potsdam: aerial images."""
