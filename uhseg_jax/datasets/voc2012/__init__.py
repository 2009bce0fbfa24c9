"""PascalVOC2012 segmentation."""
