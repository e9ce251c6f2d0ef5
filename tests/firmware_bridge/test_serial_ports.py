"""The names of serial ports, and what USB ids tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.drivers import device_of
from firmware_bridge.serial_ports import SerialPort, kind_of, serial_ports, stable_names


def test_a_port_goes_by_the_name_that_stays() -> None:
    port = SerialPort(path="/dev/ttyUSB0", stable="/dev/serial/by-id/usb-FTDI-if00", what="", usb="0403:6001")
    assert port.name == "/dev/serial/by-id/usb-FTDI-if00"
    assert SerialPort(path="/dev/ttyS0", stable=None, what="", usb=None).name == "/dev/ttyS0"


def test_stable_names_lead_to_their_devices(tmp_path: Path) -> None:
    device, folder = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    folder.mkdir()
    (folder / "usb-one").symlink_to("../ttyUSB0")
    assert stable_names(folder) == {str(device): str(folder / "usb-one")}
    assert stable_names(tmp_path / "absent") == {}


@pytest.mark.parametrize(
    ("vendor", "product", "said", "what"),
    [
        (0x10C4, 0xEA60, None, "a CP210x adapter (many ESP32 boards)"),
        (0x16C0, 0x0483, "USB Serial", "a Teensy, says 'USB Serial'"),
        (0x16C0, 0x0001, None, "unknown here"),
        (0x0403, 0x6015, None, "an FTDI adapter (Chronojump's devices, many boards)"),
    ],
)
def test_usb_ids_name_the_adapter_where_they_are_known(vendor: int, product: int, said: str | None, what: str) -> None:
    assert kind_of(vendor, product, said=said) == what


def test_the_ports_of_this_machine_are_listed_once_each() -> None:
    paths = [port.path for port in serial_ports()]
    assert len(paths) == len(set(paths))


def test_only_a_serial_url_names_a_device() -> None:
    assert device_of("serial:///dev/ttyUSB0?baud=115200") == "/dev/ttyUSB0"
    assert device_of("tcp://192.0.2.7:5000") is None
    assert device_of("ble:?name=cable-left") is None
