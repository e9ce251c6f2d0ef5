"""One connection to a broker, made of aiomqtt (2.5) with its traps closed; nobody else imports that.

- A refused QoS 1 publish returns as if it were sent: here it returns why it was refused.
- A publish does not wake when the link drops: here every one that waits is woken.
- A client used again over a reconnect can wedge: a Connection lives once.
- A socket that closes just after something was to be written is registered all the same: here it is not.
- A client whose CONNECT is not answered leaves its socket open: here it is closed.
- What is wrong with a certificate comes as OpenSSL's words: here it says what to do.
- A TLS handshake that fails leaves its socket open: here it is closed.
- It waits with asyncio.wait_for, which in Python 3.11 loses a cancellation that comes together with the answer: here it
  waits with asyncio.timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiomqtt
from aiomqtt import MqttError, ProtocolVersion
from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controller.adapters.cloud_events import CONTENT_TYPE, attributes
from controller.broker import Broker
from controller.config import ConfigError

KEEPALIVE: Final = 4  # s; a half-open link is noticed after twice as long, and paho looks once a second
TCP_WITHIN: Final = 2.0  # s; also what an end of the program may have to wait for
CONNACK_WITHIN: Final = 2.0  # s; some brokers never answer a version they do not know
LEAVE_WITHIN: Final = 0.5  # s for the broker to see our DISCONNECT
REFUSED: Final = 128  # reason codes from here on
MOST_INCOMING: Final = 1000  # messages; more are thrown away
LARGEST_INCOMING: Final = 65_536  # bytes of a message; a broker of MQTT 5 keeps larger ones from us
PAHO_WINDOW: Final = 100  # messages of QoS 1 that paho itself lets under way
TIMED_OUT: Final = "Operation timed out"  # aiomqtt's words

T = TypeVar("T")


class BrokerLost(Exception):  # noqa: N818 - a state of the world
    """There is no connection, or no longer. answered: somebody was there, and would not have us.

    advice: what to do, where that is known.
    """

    def __init__(self, why: str, *, answered: bool, advice: str | None = None) -> None:
        super().__init__(why)
        self.answered = answered
        self.advice = advice


class _Client(aiomqtt.Client):
    """aiomqtt's client, with each confirmation's reason code, and the end of the link, passed on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client.connect_timeout = TCP_WITHIN
        self._unconfirmed: dict[int, asyncio.Future[str | None]] = {}
        self._disconnected.add_done_callback(self._wake_all)

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - as in aiomqtt
        """Wait for an answer. Raises MqttError when it does not come."""
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise MqttError(TIMED_OUT) from None

    def begin(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, properties: Properties | None
    ) -> asyncio.Future[str | None]:
        """Hand a message over; the future is its confirmation: None, or why it was refused. Raises BrokerLost."""
        if self._disconnected.done():
            raise BrokerLost(_why(self._disconnected), answered=True)
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise BrokerLost(mqtt.error_string(info.rc), answered=True)
        confirmed: asyncio.Future[str | None] = self._loop.create_future()
        if info.is_published():
            confirmed.set_result(None)
        else:
            self._unconfirmed[info.mid] = confirmed
        return confirmed

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        confirmed = self._unconfirmed.pop(mid, None)
        if confirmed is not None and not confirmed.done():
            refused = reason_code is not None and getattr(reason_code, "value", 0) >= REFUSED
            confirmed.set_result(str(reason_code) if refused else None)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002 - paho's
        """Write when the socket can take it; by then it may be closed, and its number another file's."""

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - whatever it is, the link is gone
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def begin() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(begin)

    def _wake_all(self, disconnected: asyncio.Future[None]) -> None:
        why = _why(disconnected)
        for confirmed in self._unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(BrokerLost(why, answered=True))
                confirmed.exception()  # whoever waits still gets it; nobody waiting is no error
        self._unconfirmed.clear()

    def abandon(self) -> None:
        """Close what a failed attempt leaves open."""
        self._client._sock_close()  # noqa: SLF001 - paho has no other way for a link that was never made
        if self._misc_task is not None:
            self._misc_task.cancel()


class _TlsSocket(ssl.SSLSocket):
    """A socket that a failed handshake closes."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the standard library
        """Agree on TLS with the other end."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that came. reply_to, correlation: where and with what its sender wants an answer, MQTT 5."""

    topic: str
    payload: bytes
    retained: bool
    reply_to: str | None = None
    correlation: bytes | None = None


class Connection:
    """What the publisher needs of a connected client."""

    def __init__(self, client: _Client, *, v5: bool) -> None:
        self._client, self.v5 = client, v5

    def begin(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[str | None]:
        """Send with QoS 1, in the order of the calls; the future says None, or why it was refused.

        Raises BrokerLost, and so does the future.
        """
        properties = _cloud_event(topic, payload) if self.v5 else None
        return self._client.begin(topic, payload, qos=1, retain=retain, properties=properties)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, within: float) -> str | None:
        """Send with QoS 1 and wait for the answer: None, or why it was refused. Raises BrokerLost."""
        return await answer(self.begin(topic, payload, retain=retain), within=within)

    async def reply(self, topic: str, payload: bytes, *, correlation: bytes | None, within: float) -> str | None:
        """The same for an answer, with what its asker knows it by where the broker speaks MQTT 5."""
        properties = None
        if self.v5 and correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        sent = self._client.begin(topic, payload, qos=1, retain=False, properties=properties)
        return await answer(sent, within=within)

    async def show(self, topic: str, payload: bytes, *, expires_s: int, within: float) -> None:
        """Send with QoS 0 and wait until it has left this machine's queue. Raises BrokerLost."""
        properties = None
        if self.v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expires_s
        await answer(self._client.begin(topic, payload, qos=0, retain=False, properties=properties), within=within)

    async def subscribe(self, pattern: str) -> None:
        """Subscribe with QoS 1. Raises BrokerLost when the broker will not have it."""
        try:
            granted = await self._client.subscribe(pattern, qos=1)
        except MqttError as error:
            raise BrokerLost(str(error), answered=True) from None
        if any((each if isinstance(each, int) else each.value) >= REFUSED for each in granted):
            raise BrokerLost(f"it refused the subscription to {pattern}; check its access rules", answered=True)

    async def may_subscribe(self, pattern: str) -> bool:
        """Subscribe with QoS 1 to what one can do without; whether the broker grants it."""
        try:
            await self.subscribe(pattern)
        except BrokerLost:
            if self._client._disconnected.done():  # noqa: SLF001 - it has no other way to be asked
                raise
            return False
        return True

    async def messages(self) -> AsyncIterator[Incoming]:
        """All that comes. Ends by raising BrokerLost."""
        try:
            async for message in self._client.messages:
                wanted = message.properties
                yield Incoming(
                    topic=str(message.topic),
                    payload=message.payload,
                    retained=message.retain,
                    reply_to=getattr(wanted, "ResponseTopic", None),
                    correlation=getattr(wanted, "CorrelationData", None),
                )
        except MqttError as error:
            raise BrokerLost(str(error.__cause__ or error), answered=True) from None


async def answer(confirmed: asyncio.Future[str | None], *, within: float) -> str | None:
    """Wait for a confirmation. Raises BrokerLost when it does not come: that is a lost connection too."""
    try:
        async with asyncio.timeout(within):
            return await confirmed
    except TimeoutError:
        raise BrokerLost(f"no confirmation within {within:g} s", answered=True) from None


@contextlib.asynccontextmanager
async def connection(
    broker: Broker,
    *,
    identifier: str,
    v5: bool,
    will_topic: str | None = None,
    will: bytes = b"",
    answer_within: float = CONNACK_WITHIN,
) -> AsyncIterator[Connection]:
    """Connect, with a retained last will where a topic is given for it. Raises BrokerLost.

    answer_within: s for each answer until it is connected and subscribed.
    """
    account = broker.gateway
    try:
        tls_context = broker.tls.context() if broker.tls is not None else None
    except ConfigError as error:
        raise BrokerLost(str(error), answered=False, advice="put the file right") from None
    if tls_context is not None:
        tls_context.sslsocket_class = _TlsSocket
    limits = Properties(PacketTypes.CONNECT) if v5 else None  # type: ignore[no-untyped-call]
    if limits is not None:
        limits.MaximumPacketSize = LARGEST_INCOMING
    client = _Client(
        broker.host,
        broker.port,
        username=account.user if account is not None else None,
        password=account.password if account is not None else None,
        identifier=identifier,
        protocol=ProtocolVersion.V5 if v5 else ProtocolVersion.V311,
        will=aiomqtt.Will(will_topic, will, qos=1, retain=True) if will_topic is not None else None,
        clean_session=None if v5 else True,
        properties=limits,
        timeout=answer_within,
        keepalive=KEEPALIVE,
        max_queued_incoming_messages=MOST_INCOMING,
        max_inflight_messages=PAHO_WINDOW,
        logger=_silent(),
        tls_context=tls_context,
    )
    try:
        await client.__aenter__()
    except MqttError as error:
        answered = client._client.socket() is not None or isinstance(error, aiomqtt.MqttCodeError)  # noqa: SLF001
        client.abandon()
        if broker.tls is not None and isinstance(error.__context__, ssl.SSLError | ConnectionResetError):
            raise _distrust(error.__context__) from None
        why = "no answer to CONNECT" if str(error) == TIMED_OUT else str(error)
        raise BrokerLost(why, answered=answered) from None
    except BaseException:
        client.abandon()
        raise
    try:
        yield Connection(client, v5=v5)
    finally:
        client.timeout = LEAVE_WITHIN
        try:
            await client.__aexit__(None, None, None)
        except MqttError:
            pass  # it is gone already
        finally:
            client.abandon()


def _cloud_event(topic: str, payload: bytes) -> Properties | None:
    """An event's attributes, as MQTT 5 has them."""
    found = attributes(topic, payload)
    if found is None:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = CONTENT_TYPE
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = found
    return properties


def _distrust(error: OSError) -> BrokerLost:
    """Why there is no connection with TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not accepted: {error.verify_message.rstrip('.').lower()}"
        advice = (
            "see that broker.url has the host name of the certificate, broker.ca who signed it, and the clock is right"
        )
        return BrokerLost(why, answered=False, advice=advice)
    reason = getattr(error, "reason", None) or error.strerror or "no TLS"
    advice = "see that this port speaks TLS, and broker.cert is one that it accepts"
    return BrokerLost(f"no connection with TLS: {reason.replace('_', ' ').lower()}", answered=False, advice=advice)


def _why(disconnected: asyncio.Future[None]) -> str:
    error = None if disconnected.cancelled() else disconnected.exception()
    return str(error) if error is not None else "disconnected"


def _silent() -> logging.Logger:
    """A logger for aiomqtt's own notes; what matters of them is said by us."""
    logger = logging.getLogger("cable-station.mqtt")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
