"""ADE20K scene parsing of 150 classes."""
