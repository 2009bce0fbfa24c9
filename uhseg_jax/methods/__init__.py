"""One file for each published method; each reads like its method section."""
