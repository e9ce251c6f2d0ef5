"""Exercises: what the training side knows, as data."""
