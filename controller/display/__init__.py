"""The station's page and the server behind it."""
