"""PartImageNet: objects of ImageNet and their parts."""
