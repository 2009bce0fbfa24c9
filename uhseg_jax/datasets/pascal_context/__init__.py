"""Pascal-Context: a class for nearly every pixel of PascalVOC2010."""
