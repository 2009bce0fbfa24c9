"""Trees of regions: the arrays, one split, and growing all regions of a level."""
