"""Whether another program has a board that is connected already; bleak cannot tell without ending that connection."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"


async def is_listened_to(device: str, characteristic: str) -> bool:
    """Whether somebody is notified of a characteristic; device: its object's path. Raises OSError without a bus."""
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        await bus.connect()
    except BaseException:
        bus.disconnect()
        raise
    try:
        reply = await bus.call(
            Message(
                destination="org.bluez",
                path="/",
                interface="org.freedesktop.DBus.ObjectManager",
                member="GetManagedObjects",
            )
        )
    finally:
        bus.disconnect()
        with suppress(OSError, EOFError):
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    if reply.message_type is MessageType.ERROR:
        return False
    return any(
        path.startswith(f"{device}/") and interfaces[CHARACTERISTIC]["UUID"].value == characteristic
        and interfaces[CHARACTERISTIC]["Notifying"].value
        for path, interfaces in reply.body[0].items()
        if CHARACTERISTIC in interfaces and "Notifying" in interfaces[CHARACTERISTIC]
    )  # fmt: skip
