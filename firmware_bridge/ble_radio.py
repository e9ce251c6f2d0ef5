"""The gateway's Bluetooth: one scan for all boards that are looked for, and one connection made at a time.

BlueZ gives a program one scan; a second one is refused while the first runs. And an adapter makes its connections one
after the other. So the links of a program share a Radio.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from bleak import BleakAdapter, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakError
from dbus_fast.errors import AuthError, DBusFastError

from firmware_bridge.ble_sought import Sought
from firmware_bridge.link import LinkError

SEEK_WITHIN: Final = 4.0  # s until a board that is not seen counts as absent; boards advertise several times a second
LOOK_AROUND: Final = (
    1.0  # s that is waited for another board of the same service, before one is taken for the right one
)
SCAN_LASTS: Final = 10.0  # s; an older scan is begun anew, since bluetoothd may have forgotten it
ANSWER_WITHIN: Final = 5.0  # s that bluetoothd gets to start or stop a scan

# What bleak lets through when bluetoothd, its bus, or the device goes in the middle of a call.
TROUBLES: Final = (BleakError, DBusFastError, OSError, EOFError, TimeoutError, AssertionError, KeyError)
_NO_BLUETOOTH: Final = "no Bluetooth; is an adapter there, and does bluetoothd run?"
_REASONS: Final = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: _NO_BLUETOOTH,
    BleakBluetoothNotAvailableReason.POWERED_OFF: "Bluetooth is off; `bluetoothctl power on` turns it on",
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: "no permission to use Bluetooth; add this user to the group "
    "bluetooth and log in again",
}

logging.getLogger("bleak").addHandler(logging.NullHandler())  # its warnings come here as errors, and are said once


def said(error: BaseException) -> str:
    """What stands in the way, and what to do, in one line."""
    if isinstance(error, BleakBluetoothNotAvailableError):
        return _REASONS.get(error.reason, str(error.args[0]))
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError):
        return "bluetoothd does not answer; is it hung?"
    if isinstance(error, OSError | EOFError) or "ServiceUnknown" in text or "NameHasNoOwner" in text:
        return _NO_BLUETOOTH
    if isinstance(error, AuthError):
        return _REASONS[BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM]
    if isinstance(error, AssertionError | KeyError) or "UnknownObject" in text or "UnknownMethod" in text:
        return "it has gone again"
    if "AccessDenied" in text:
        return _REASONS[BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM]
    if "NotReady" in text:
        return _REASONS[BleakBluetoothNotAvailableReason.POWERED_OFF]
    return text


@dataclass(slots=True, eq=False)
class _Seeker:
    """Somebody who waits for a board, and those that could be it, by address."""

    sought: Sought
    found: dict[str, BLEDevice] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Radio:
    """Owns the scan. Made once for all links of a program; used from one event loop."""

    def __init__(self) -> None:
        self._seekers: list[_Seeker] = []
        self._scanner: BleakScanner | None = None
        self._starting: asyncio.Task[None] | None = None
        self._began = 0.0
        self._switching = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._taken: set[str] = set()
        self._held: set[str] = set()  # ever taken
        self._kept: dict[str, str] = {}  # the address that a URL has once stood for

    @asynccontextmanager
    async def sighted(self, sought: Sought) -> AsyncIterator[BLEDevice]:
        """Hold a board that is looked for and in sight, while it is connected to. Raises LinkError when there is none.

        The scan goes on until the end: BlueZ forgets a device when nobody scans.
        """
        seeker = _Seeker(sought)
        self._seekers.append(seeker)
        try:
            try:
                await self._scan()
                device = await self._seen(seeker)
            except LinkError:
                self._began = 0.0  # it may be the scan that fails
                raise
            except TROUBLES as error:
                self._began = 0.0
                raise LinkError(f"{sought.label}: {said(error)}") from None
            async with self._connecting:
                if device.address in self._taken:  # while we waited
                    raise LinkError(
                        f"{sought.label}: {device.address} is another board's already; give each its own address"
                    )
                self._kept.setdefault(sought.url, device.address)
                yield device
        finally:
            self._seekers.remove(seeker)
            if not self._seekers:
                await self._rest()

    async def around(self, sought: Sequence[Sought], *, seconds: float) -> list[list[BLEDevice]]:
        """All boards that fit each, seen within so many seconds or connected already. Raises LinkError."""
        seekers = [_Seeker(each) for each in sought]
        self._seekers += seekers
        try:
            try:
                await self._scan()
                for seeker in seekers:
                    await self._offer_connected(seeker, besides=set())
                await asyncio.sleep(seconds)
            except TROUBLES as error:
                raise LinkError(said(error)) from None
            return [[seeker.found[address] for address in sorted(seeker.found)] for seeker in seekers]
        finally:
            for seeker in seekers:
                self._seekers.remove(seeker)
            if not self._seekers:
                await self._rest()

    def take(self, address: str) -> None:
        """This board is ours: nobody else who looks gets it."""
        self._taken.add(address)
        self._held.add(address)

    def give_back(self, address: str) -> None:
        """It is free again."""
        self._taken.discard(address)

    async def _seen(self, seeker: _Seeker) -> BLEDevice:
        sought = seeker.sought
        is_known = sought.address is not None or sought.url in self._kept
        await self._offer_connected(seeker, besides=self._held)
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEK_WITHIN):
                await seeker.news.wait()
        if not seeker.found:
            await self._offer_connected(seeker, besides=set())
        if seeker.found and not is_known:
            await asyncio.sleep(LOOK_AROUND)
        free = {address: device for address, device in seeker.found.items() if address not in self._taken}
        if len(free) == 1 or (free and is_known):
            return next(iter(free.values()))
        if free:
            raise LinkError(
                f"{sought.label}: {len(free)} boards fit, {' and '.join(sorted(free))}; name the right one, as in "
                f"ble://{min(free)}"
            )
        whom = self._kept.get(sought.url) or sought.address or sought.name or f"a board with service {sought.service}"
        raise LinkError(f"{sought.label}: {whom} is not seen; is it on, charged, near, and not connected elsewhere?")

    async def _offer_connected(self, seeker: _Seeker, *, besides: set[str]) -> None:
        """A board that bluetoothd still holds for a program that was killed does not advertise.

        One that we have held ourselves may be a memory of a bluetoothd that was killed: it is to be tried last.
        """
        adapter = await BleakAdapter.get()
        for device in await adapter.get_connected_devices([seeker.sought.service]):
            if device.address not in besides:
                self._offer(seeker, device, device.name, [seeker.sought.service])

    def _advertised(self, device: BLEDevice, data: AdvertisementData) -> None:
        for seeker in self._seekers:
            self._offer(seeker, device, data.local_name or device.name, data.service_uuids)

    def _offer(self, seeker: _Seeker, device: BLEDevice, name: str | None, services: list[str]) -> None:
        kept = self._kept.get(seeker.sought.url)
        is_it = seeker.sought.fits(device.address, name, services) if kept is None else device.address == kept
        if is_it and device.address not in self._taken:
            seeker.found[device.address] = device
            seeker.news.set()

    async def _scan(self) -> None:
        async with self._switching:
            if self._scanner is not None and time.monotonic() - self._began < SCAN_LASTS:
                return
            if self._starting is None:
                await self._stop()
                self._starting = asyncio.create_task(self._start(), name="Bluetooth scan")
                self._starting.add_done_callback(_nobody_may_have_waited)
            await _within(ANSWER_WITHIN, asyncio.shield(self._starting))

    async def _start(self) -> None:
        """Begin to scan. It is never broken off: bluetoothd would scan all the same, and refuse the next one."""
        scanner = BleakScanner(self._advertised)
        try:
            await scanner.start()
        finally:
            self._starting = None
        self._scanner, self._began = scanner, time.monotonic()
        if not self._seekers:  # it took too long for all of them
            await self._stop()

    async def _rest(self) -> None:
        async with self._switching:
            if self._starting is not None:
                with suppress(*TROUBLES):
                    await _within(ANSWER_WITHIN, asyncio.shield(self._starting))
            if not self._seekers:  # somebody may have come while we waited
                await self._stop()

    async def _stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with suppress(*TROUBLES):  # the scan is gone with whoever ran it
                await _within(ANSWER_WITHIN, scanner.stop())


def _nobody_may_have_waited(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


async def _within(seconds: float, call: Awaitable[None]) -> None:
    async with asyncio.timeout(seconds):
        await call
