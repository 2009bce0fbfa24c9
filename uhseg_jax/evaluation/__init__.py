"""The loop over a dataset."""
