"""Scores as mergeable states: empty, update, merge, compute."""
