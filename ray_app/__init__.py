"""Models and their serving: the only room that imports torch."""
