"""The objects of a bus name: what they are called, what they are, what can be asked of them."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from dbus_fast import DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import NameFlag, RequestNameReply

OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
DBUS: Final = "org.freedesktop.DBus"

A_MOMENT: Final = 0.001  # s until it is looked again whether the bus takes more
MOST_UNSENT: Final = 50_000  # messages; signals beyond are lost, as bluetoothd's are whose bus is hung

Answer = tuple[str, list[Any]]  # signature and values
NOTHING: Final[Answer] = ("", [])
Method = Callable[[Message], Awaitable[Answer]]


class BluezError(DBusError):
    """What bluetoothd refuses a call with."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"org.bluez.Error.{name}", text)


class Node:
    """One object: a path, an interface, its properties by name and its methods by name."""

    def __init__(self, path: str, interface: str) -> None:
        self.path, self.interface = path, interface
        self.properties: dict[str, Variant] = {}
        self.methods: dict[str, Method] = {}

    def interfaces(self) -> dict[str, dict[str, Variant]]:
        """As the object manager tells them."""
        return {self.interface: dict(self.properties), "org.freedesktop.DBus.Introspectable": {}, PROPERTIES: {}}


class Tree:
    """Owns a connection to the bus, a name on it, and the objects under that name."""

    def __init__(self, address: str, name: str, *, client_gone: Callable[[str], None]) -> None:
        """`client_gone` is told the bus name of each program that leaves the bus."""
        self.name = name
        self._bus = MessageBus(bus_address=address)
        self._nodes: dict[str, Node] = {}
        self._client_gone = client_gone
        self._answering: set[asyncio.Task[None]] = set()
        self._unsent: deque[Message] = deque()
        self._later: asyncio.TimerHandle | None = None
        self._fd = -1

    @property
    def is_cut_off(self) -> bool:
        """Whether the bus is gone."""
        return not self._bus.connected

    async def open(self) -> None:
        """Join the bus and take the name. Raises OSError when there is no bus, or the name is somebody else's."""
        await self._bus.connect()
        sock = self._bus._sock  # noqa: SLF001 - it has no other name
        assert sock is not None
        self._fd = sock.fileno()
        self._bus.add_message_handler(self._received)
        await self._bus.call(
            Message(
                destination=DBUS,
                path="/org/freedesktop/DBus",
                interface=DBUS,
                member="AddMatch",
                signature="s",
                body=[f"type='signal',sender='{DBUS}',member='NameOwnerChanged'"],
            )
        )
        if await self._bus.request_name(self.name, NameFlag.DO_NOT_QUEUE) != RequestNameReply.PRIMARY_OWNER:
            self._bus.disconnect()
            raise OSError(f"somebody else is {self.name} on this bus")

    async def close(self) -> None:
        """Leave the bus without a word, as a process does that is killed."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        self._unsent.clear()
        if self._later is not None:
            self._later.cancel()
        self._bus.disconnect()
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError):
            return  # the bus was gone first

    # -- objects

    def add(self, node: Node) -> None:
        """A new object, and a signal that says so."""
        self._nodes[node.path] = node
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", ("oa{sa{sv}}", [node.path, node.interfaces()]))

    def remove(self, path: str) -> None:
        """An object and those below it go, the deepest first."""
        below = sorted((each for each in self._nodes if each == path or each.startswith(f"{path}/")), reverse=True)
        for each in below:
            names = list(self._nodes.pop(each).interfaces())
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", ("oas", [each, names]))

    def change(self, node: Node, changed: Mapping[str, Variant], *, gone: tuple[str, ...] = ()) -> None:
        """Properties have new values, or none any more."""
        node.properties.update(changed)
        for name in gone:
            node.properties.pop(name, None)
        if node.path in self._nodes:
            body = [node.interface, dict(changed), list(gone)]
            self._signal(node.path, PROPERTIES, "PropertiesChanged", ("sa{sv}as", body))

    def __contains__(self, path: str) -> bool:
        return path in self._nodes

    # -- messages

    def _signal(self, path: str, interface: str, member: str, answer: Answer) -> None:
        if len(self._unsent) < MOST_UNSENT:
            signature, body = answer
            self._send(Message.new_signal(path, interface, member, signature, body))

    def _send(self, message: Message) -> None:
        self._unsent.append(message)
        if self._later is None:
            self._flush()

    def _flush(self) -> None:
        """Hand over what the bus has room for; dbus-fast takes a socket that is full for a bus that is lost."""
        self._later = None
        while self._unsent and not self.is_cut_off and _has_room(self._fd):
            self._bus.send(self._unsent.popleft())
        if self.is_cut_off:
            self._unsent.clear()
        elif self._unsent:
            self._later = asyncio.get_running_loop().call_later(A_MOMENT, self._flush)

    def _received(self, message: Message) -> bool:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _, new = message.body
            if not new:
                self._client_gone(name)
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        task = asyncio.create_task(self._answer(message), name=f"{self.name} {message.member}")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return True

    async def _answer(self, message: Message) -> None:
        try:
            signature, body = await self._method(message)(message)
            reply = Message.new_method_return(message, signature, body)
        except DBusError as error:
            reply = Message.new_error(message, error.type, error.text)
        self._send(reply)

    def _method(self, message: Message) -> Method:
        assert message.path is not None
        assert message.member is not None
        if message.interface == OBJECT_MANAGER and message.path == "/":
            return self._managed_objects
        node = self._nodes.get(message.path)
        if node is None:
            text = f'Method "{message.member}" with interface "{message.interface}" on an object that does not exist'
            raise DBusError(f"{DBUS}.Error.UnknownObject", text)
        if message.interface == PROPERTIES and message.member == "GetAll":
            return self._all_properties
        if message.interface != node.interface or message.member not in node.methods:
            raise DBusError(f"{DBUS}.Error.UnknownMethod", f'Method "{message.member}" does not exist')
        return node.methods[message.member]

    async def _managed_objects(self, _: Message) -> Answer:
        return "a{oa{sa{sv}}}", [{path: node.interfaces() for path, node in self._nodes.items()}]

    async def _all_properties(self, message: Message) -> Answer:
        assert message.path is not None
        return "a{sv}", [dict(self._nodes[message.path].properties)]


def _has_room(fd: int) -> bool:
    """Whether a socket takes a message at once; the kernel says so while a quarter of its buffer is used at most."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
