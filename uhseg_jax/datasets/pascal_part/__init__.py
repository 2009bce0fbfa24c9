"""Pascal-Part: objects and their parts."""
