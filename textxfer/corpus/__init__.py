"""Stories in, playthroughs out: reading, cleaning, walking, rendering, splitting.

Knows no model and imports no torch. Each stage is a module; import what you
need from it: ``from textxfer.corpus.read import read``.
"""
