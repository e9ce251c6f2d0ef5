"""Bytes as a real board would send them, from physics, a seed and virtual time."""
