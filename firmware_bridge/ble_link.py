"""A board over Bluetooth LE: a notification comes as one chunk, and what is sent goes out as writes.

bleak never notices a killed bluetoothd, its callback may come during connect() and for our own close, and a loss
without disconnect() leaks a D-Bus connection, of which the system bus grants 256. All of that is dealt with here.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Final

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakGATTProtocolError

from firmware_bridge.ble_radio import TROUBLES, Radio, said
from firmware_bridge.ble_sought import Sought
from firmware_bridge.bluez_listeners import is_listened_to
from firmware_bridge.link import About, Chunk, LinkError
from protocols import gatt
from protocols.gatt import Profile

CONNECT_WITHIN: Final = 10.0  # s; with what an adapter does to find the services
READ_WITHIN: Final = 1.0  # s
LET_GO_WITHIN: Final = 2.0  # s for the device to go; then only our own ends are closed
QUIET: Final = 1.0  # s without a notification, after which it is asked whether the board is still there
LOOK_EVERY: Final = 0.25  # s
BATTERY_EVERY: Final = 60.0  # s
FULL: Final = 100  # %; a level beyond is none
_TEXTS: Final = {
    "manufacturer": gatt.MANUFACTURER,
    "model": gatt.MODEL,
    "serial": gatt.SERIAL,
    "firmware": gatt.FIRMWARE,
}


class BleLink:
    """One connection. Made by open_ble."""

    def __init__(self, device: BLEDevice, *, url: str, profile: Profile, radio: Radio) -> None:
        self.about = About(address=device.address, name=device.name)  # and what open() reads
        self._url, self._profile, self._radio = url, profile, radio
        self._device = device
        self._client = BleakClient(device, disconnected_callback=self._disconnected)
        self._chunks: asyncio.Queue[Chunk | LinkError] = asyncio.Queue()
        self._is_open = False  # from the end of connect() to the beginning of close()
        self._is_heard = False  # from the first receive() on; nothing may come from before the link was up
        self._info: bytes | None = None
        self._last = self._battery_read = 0.0
        self._write: BleakGATTCharacteristic | None = None
        self._watcher: asyncio.Task[None] | None = None
        radio.take(device.address)

    async def open(self) -> None:
        """Connect, read what the board is, and let it notify. Raises LinkError; close() is to be called then, too."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                if await self._is_taken():
                    raise LinkError(f"{self._url}: another program uses this board; close it")
                await self._client.connect()
                notify = self._characteristic(self._profile.notify)
                self._write = self._characteristic(self._profile.write)
                await self._ask_about()
                if self._profile.info is not None:
                    self._info = bytes(await self._client.read_gatt_char(self._characteristic(self._profile.info)))
                self._is_open = True
                await self._client.start_notify(notify, self._notified)
        except TimeoutError:
            raise LinkError(f"{self._url}: not connected within {CONNECT_WITHIN:g} s; is the board near?") from None
        except TROUBLES as error:
            raise LinkError(f"{self._url}: not connected: {said(error)}") from None
        if not self._client.is_connected:  # its callback came before anybody listened
            raise self._lost("it has gone again")
        self._last = time.monotonic()
        self._watcher = asyncio.create_task(self._watch(), name=f"{self._url}: link watch")

    async def _is_taken(self) -> bool:
        """Whether it is connected already, and not only left over by a program that was killed."""
        details = self._device.details
        is_connected = isinstance(details, dict) and bool(details.get("props", {}).get("Connected"))
        return is_connected and await is_listened_to(details["path"], self._profile.notify)

    def _characteristic(self, uuid: str) -> BleakGATTCharacteristic:
        found = self._client.services.get_characteristic(uuid)
        if found is None:
            raise LinkError(f"{self._url}: it has no characteristic {uuid}; is it another kind of board?")
        return found

    async def _ask_about(self) -> None:
        """Read what there is; a board need not say any of it."""
        said_of_itself: dict[str, str] = {}
        for name, uuid in _TEXTS.items():
            text = (await self._read(uuid) or b"").decode(errors="replace").strip("\0 ")
            if text:
                said_of_itself[name] = text
        self.about = replace(self.about, **said_of_itself)  # type: ignore[arg-type]
        await self._ask_battery()

    async def _ask_battery(self) -> None:
        self._battery_read = time.monotonic()
        level = await self._read(gatt.BATTERY_LEVEL)
        self.about = replace(self.about, battery_pct=level[0] if level and level[0] <= FULL else None)

    async def _read(self, uuid: str) -> bytes | None:
        characteristic = self._client.services.get_characteristic(uuid)
        if characteristic is None or "read" not in characteristic.properties:
            return None
        try:
            return bytes(await self._client.read_gatt_char(characteristic))
        except BleakGATTProtocolError:
            return None  # the board keeps it to itself

    # -- what comes from bleak

    def _notified(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        if self._is_open and self._is_heard:
            self._last = time.monotonic()
            self._chunks.put_nowait(Chunk(self._last, bytes(data)))

    def _disconnected(self, _: BleakClient) -> None:
        if self._is_open:  # else connect() says so itself, or it was we who closed
            self._chunks.put_nowait(self._lost("the connection dropped"))

    def _lost(self, why: str) -> LinkError:
        return LinkError(f"{self._url}: {why}; is the board on, charged and near?")

    async def _watch(self) -> None:
        """Ask a board that is quiet whether it is there: a bluetoothd that was killed says nothing by itself.

        And look at the battery once in a while.
        """
        asked = gatt.BATTERY_LEVEL if self._client.services.get_characteristic(gatt.BATTERY_LEVEL) else None
        asked = asked or self._profile.info
        try:
            while asked is not None:
                await asyncio.sleep(LOOK_EVERY)
                if time.monotonic() - self._last >= QUIET:
                    async with asyncio.timeout(READ_WITHIN):
                        await self._client.read_gatt_char(asked)
                    self._last = time.monotonic()
                if time.monotonic() - self._battery_read >= BATTERY_EVERY:
                    with suppress(*TROUBLES):  # of a board that streams it is no loss; of another it shows above
                        async with asyncio.timeout(READ_WITHIN):
                            await self._ask_battery()
        except TimeoutError:
            self._chunks.put_nowait(self._lost("it does not answer"))
        except TROUBLES as error:
            self._chunks.put_nowait(self._lost(said(error)))

    # -- what the link does

    async def receive(self) -> Chunk:
        """Return INFO at first, where there is one, then each notification. Raises LinkError when it is gone."""
        self._is_heard = True
        if self._info is not None:
            info, self._info = self._info, None
            return Chunk(time.monotonic(), info)
        item = await self._chunks.get()
        if isinstance(item, LinkError):
            self._chunks.put_nowait(item)  # and so for whoever asks again
            raise item
        return item

    async def send(self, data: bytes) -> None:
        """Send all bytes, in writes of the size that the connection takes. Raises LinkError when it is gone."""
        if self._write is None or not self._is_open:
            raise self._lost("it is closed")
        with_response = "write-without-response" not in self._write.properties
        size = self._write.max_write_without_response_size
        try:
            for k in range(0, len(data), size):
                await self._client.write_gatt_char(self._write, data[k : k + size], response=with_response)
        except TROUBLES as error:
            raise self._lost(said(error)) from None

    async def close(self) -> None:
        """Close; harmless when closed already. Never raises."""
        self._is_open = False
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        try:
            with suppress(*TROUBLES):
                async with asyncio.timeout(LET_GO_WITHIN):
                    await self._client.disconnect()
        finally:
            self._radio.give_back(self._device.address)


async def open_ble(sought: Sought, *, profile: Profile, radio: Radio) -> BleLink:
    """Find a board and connect to it. Raises LinkError with what to do."""
    link: BleLink | None = None
    try:
        async with radio.sighted(sought) as device:
            link = BleLink(device, url=sought.label, profile=profile, radio=radio)
            await link.open()
    except BaseException:
        if link is not None:
            await link.close()
        raise
    assert link is not None
    return link
