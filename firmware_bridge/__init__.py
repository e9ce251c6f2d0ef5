"""The only room that talks to devices."""
