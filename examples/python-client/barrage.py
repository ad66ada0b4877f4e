"""Barrage from Python 3.11 or newer: subscribe, and publish by HTTP. One file to copy; pip install websockets."""

import argparse
import asyncio
import base64
import dataclasses
import http.client
import itertools
import json
import os
import random
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus


@dataclass
class Publication:
    channel: str
    offset: int  # 0 in the plain protocol, which tells none
    data: str | bytes
    count: int = 1  # of a sum: what it adds up to


@dataclass
class Gap:  # what is in (after, upto] does not come; upto is -1 where the channel's order began anew
    channel: str
    after: int
    upto: int
    reason: str  # slow, bus, missed or epoch


@dataclass
class Recall:  # take these off the screen: {"offsets": […]}, or {"upto": …} for all up to it
    channel: str
    what: dict


@dataclass
class Subscribed:
    channel: str
    recovered: bool | None = None  # after a reconnect: whether the history gave what was missed


class Refused(Exception):
    """The gateway does not want this client back, or refused a subscription or its token."""


Event = Publication | Gap | Recall | Subscribed


class Subscriber:
    """The events of channels, over as many connections as it takes. It ends by `Refused` only."""

    def __init__(self, url: str, channels: list[str], *, token: Callable[[], str] | None = None, plain: bool = False):
        self.url, self.channels, self.token, self.plain = url, channels, token, plain
        self.positions: dict[str, dict] = {}  # by channel: epoch and offset
        self.backoff = {"baseMs": 500, "capMs": 20_000}  # until a gateway gives others

    async def __aiter__(self) -> AsyncIterator[Event]:
        failures, protocols = -1, None if self.plain else ["barrage.v1"]
        while True:
            opened, wait = time.monotonic(), 0.0
            session = self._plain if self.plain else self._v1
            try:
                async with connect(self.url, subprotocols=protocols, max_size=None) as socket:
                    async for event in session(socket):
                        yield event
            except ConnectionClosed as closed:
                code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
                if code in (1000, 1002, 1003, 1007, 1008, 1009, 1010) or 4500 <= code <= 4999:
                    raise Refused(f"closed with {code}: {reason}") from closed
            except InvalidStatus as refused:  # full, or too many dial at once
                wait = float(refused.response.headers.get("Retry-After", 0))
            except (InvalidHandshake, OSError, TimeoutError):
                pass  # nobody there, or the connection went silent
            failures = 0 if time.monotonic() - opened >= 10 else min(failures + 1, 20)  # a short one is a failure too
            most = min(self.backoff["capMs"], self.backoff["baseMs"] * 2**failures)
            await asyncio.sleep(wait + random.random() * most / 1000)

    async def _plain(self, socket: ClientConnection) -> AsyncIterator[Event]:
        """One channel, and no positions: nothing tells of what is missed while there is no connection."""
        kind, _, name = self.channels[0].partition(":")  # video:1 is 1@video here
        commands = [{"op": "auth", "token": self.token()}] if self.token else []
        for command in [*commands, {"op": "subscribe", "channel": f"{name}@{kind}"}]:
            await socket.send(json.dumps(command))
            reply = json.loads(await socket.recv())
            if "code" in reply:
                raise Refused(f"{command['op']}: {reply['msg']}")
        yield Subscribed(self.channels[0])
        while True:
            yield Publication(self.channels[0], 0, await socket.recv())

    async def _v1(self, socket: ClientConnection) -> AsyncIterator[Event]:
        hello = json.loads(await asyncio.wait_for(socket.recv(), 10))
        self.backoff = hello["backoff"]
        interval, patience = hello["pingIntervalMs"] / 1000, hello["pongTimeoutMs"] / 1000
        commands: list[dict] = []

        async def command(op: str, **fields) -> None:
            await socket.send(json.dumps({"id": len(commands), "op": op, **fields}))
            commands.append({"op": op, **fields})

        async def keep_alive() -> None:
            while True:
                await asyncio.sleep(interval)
                await command("ping")

        pings = asyncio.create_task(keep_alive())
        try:
            if self.token:
                await command("auth", token=self.token())
            for channel in self.channels:
                since = self.positions.get(channel)
                await command("subscribe", channel=channel, **({"since": since} if since else {}))
            while True:
                message, payloads = _read(await asyncio.wait_for(socket.recv(), interval + patience))
                match message["type"]:
                    case "reply":
                        for event in self._replied(commands[message["id"]], message):
                            yield event
                    case "batch":
                        for event in self._batch(message, payloads):
                            yield event
                    case "gap":
                        self.positions[message["channel"]] = {"epoch": message["epoch"], "offset": message["upto"]}
                        yield Gap(message["channel"], message["after"], message["upto"], message["reason"])
                    case "epoch":
                        at, before = self.positions.get(message["channel"]), message["before"]
                        if at and before["epoch"].startswith(at["epoch"]) and at["offset"] <= before["offset"]:
                            at["epoch"] = message["epoch"]
                    case "backoff":
                        self.backoff = message
                    case "unsubscribed":
                        raise Refused(f"{message['channel']}: {message['message']}")
                    case "reconnect":
                        # The SDK keeps both connections for a moment. Here the history fills what comes between.
                        loop, after = asyncio.get_running_loop(), random.random() * message["afterMs"] / 1000
                        loop.call_later(after, lambda: loop.create_task(socket.close(1001)))
        finally:
            pings.cancel()

    def _replied(self, command: dict, message: dict) -> list[Event]:
        if error := message.get("error"):
            if error["retry"]:
                raise TimeoutError(error["message"])  # come back, and ask again
            raise Refused(f"{command['op']}: {error['message']}")
        if command["op"] != "subscribe":
            return []
        channel, result = command["channel"], message["result"]
        at, new = self.positions.get(channel), {"epoch": result["epoch"], "offset": result["offset"]}
        events: list[Event] = [Subscribed(channel, result.get("recovered"))]
        if at and not result["recovered"] and not new["epoch"].startswith(at["epoch"]):
            events.append(Gap(channel, at["offset"], -1, "epoch"))
        elif at and not result["recovered"] and new["offset"] > at["offset"]:
            events.append(Gap(channel, at["offset"], new["offset"], "missed"))
        elif at:
            new["offset"] = at["offset"]  # a lower one repeats what is known
        self.positions[channel] = new
        return events

    def _batch(self, batch: dict, payloads: list[str | bytes]) -> list[Event]:
        channel, epoch, after, upto = batch["channel"], batch["epoch"], batch["after"], batch["upto"]
        at = self.positions.setdefault(channel, {"epoch": epoch, "offset": after})
        events: list[Event] = []
        if not epoch.startswith(at["epoch"]):
            events.append(Gap(channel, at["offset"], -1, "epoch"))
            at["offset"] = after
        elif after > at["offset"]:
            events.append(Gap(channel, at["offset"], after, "missed"))
        for item, data in zip(batch["items"], payloads):
            if item["offset"] <= at["offset"]:
                continue
            if recall := item.get("recall"):
                events.append(Recall(channel, recall))
            else:
                events.append(Publication(channel, item["offset"], data, _count(item, at["offset"])))
        self.positions[channel] = {"epoch": epoch, "offset": max(upto, at["offset"])}
        return events


def _count(item: dict, position: int) -> int:
    """What a sum adds up to above the position: its parts are count, distance, count, … from the newest on."""
    parts = item.get("parts", [item.get("count", 1)])
    offsets = itertools.accumulate(parts[1::2], lambda offset, distance: offset - distance, initial=item["offset"])
    return sum(count for count, offset in zip(parts[::2], offsets) if offset > position)


def _read(frame: str | bytes) -> tuple[dict, list[str | bytes]]:
    """A message, and the payloads of a batch. A binary frame: length of the header, header, payloads."""
    if isinstance(frame, str):
        message = json.loads(frame)
        return message, [item.get("data", "") for item in message.get("items", [])]
    at = 4 + int.from_bytes(frame[:4])
    message, payloads = json.loads(frame[4:at]), []
    for item in message["items"]:
        payload = frame[at : (at := at + item.get("size", 0))]
        payloads.append(payload if item.get("kind") == "binary" else payload.decode())
    return message, payloads


def publish(url: str, channel: str, data: str | bytes, *, api_key: str = "", timeout: float = 30, **fields) -> dict:
    """Publishes once, however often it has to ask. `fields` are those of docs/publish-api.md: priority, ttlMs, …"""
    payload = {"d": data} if isinstance(data, str) else {"d": base64.b64encode(data).decode(), "t": "binary"}
    body = json.dumps({"c": channel, **payload, "idempotencyKey": str(uuid.uuid4()), **fields}).encode()
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
    ends = time.monotonic() + timeout
    for attempt in itertools.count():
        asked = 0.0
        try:
            request = urllib.request.Request(f"{url}/v1/mesh/publish", body, headers)
            with urllib.request.urlopen(request, timeout=min(15, max(0.1, ends - time.monotonic()))) as response:
                return json.load(response)["r"]
        except urllib.error.HTTPError as error:
            failure = RuntimeError(f"{error.code}: {error.read().decode(errors='replace')}")
            if error.code != 429 and error.code < 500:
                raise failure from error
            asked = float(error.headers.get("Retry-After", 0))
        except (OSError, http.client.HTTPException) as error:
            failure = error  # no answer: it may have been published, so the key stays the same
        pause = max(asked * (1 + random.random() / 2), random.random() * min(5, 0.2 * 2**attempt))
        if time.monotonic() + pause >= ends:
            raise failure
        time.sleep(pause)


async def _print(subscriber: Subscriber) -> None:
    async for event in subscriber:
        print(json.dumps({"type": type(event).__name__, **dataclasses.asdict(event)}, default=list), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Subscribes to a channel until Ctrl-C, or publishes a text to it.")
    parser.add_argument("url", help="ws://localhost:6790/ to subscribe, http://localhost:6789 to publish")
    parser.add_argument("channel")
    parser.add_argument("text", nargs="?", help="what to publish")
    parser.add_argument("--plain", action="store_true", help="subscribe by the plain protocol")
    parser.add_argument("--token", help="who subscribes")
    key = os.environ.get("BARRAGE_API_KEY", "")
    parser.add_argument("--api-key", default=key, help="who publishes; default: the variable BARRAGE_API_KEY")
    given = parser.parse_args()
    if given.text is not None:
        print(json.dumps(publish(given.url, given.channel, given.text, api_key=given.api_key)))
    else:
        token = given.token and (lambda: given.token)
        asyncio.run(_print(Subscriber(given.url, [given.channel], token=token, plain=given.plain)))
