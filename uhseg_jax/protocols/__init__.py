"""Ways to score trees against ground truth, one file for each."""
