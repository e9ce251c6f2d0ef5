"""The measuring core: pure, one sample at a time."""
