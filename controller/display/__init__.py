"""The station's page and the server behind it."""

from controller.display.access import DisplayError
from controller.display.latest import StationView, Status
from controller.display.server import Display

__all__ = ["Display", "DisplayError", "StationView", "Status"]
