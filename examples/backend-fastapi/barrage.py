"""The publish API of Barrage for asyncio: each publication once, however often it has to be asked for."""

import asyncio
import itertools
import json
import random
import time
import uuid

import httpx


class BarrageError(Exception):
    """`retry`: the same call may succeed later."""

    def __init__(self, message: str, retry: bool):
        super().__init__(message)
        self.retry = retry


class Barrage:
    """One for each process: its connections are kept alive."""

    def __init__(self, url: str, api_key: str | None = None, timeout: float = 10):
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        limits = httpx.Limits(max_connections=64, keepalive_expiry=60)
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=15, limits=limits)
        self._timeout = timeout

    async def publish(self, channel: str, data: str | dict, **fields) -> dict:
        """`fields`: priority, ttlMs, user, idempotencyKey, … of docs/publish-api.md."""
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        body = {"c": channel, "d": text, "idempotencyKey": str(uuid.uuid4()), **fields}
        ends = time.monotonic() + self._timeout
        for attempt in itertools.count():
            asked = 0.0
            try:
                left = max(0.1, ends - time.monotonic())
                response = await asyncio.wait_for(self._http.post("/v1/mesh/publish", json=body), left)
                if response.status_code == 200:
                    return response.json()["r"]
                failure = f"{response.status_code}: {response.text[:500]}"
                if response.status_code != 429 and response.status_code < 500:
                    raise BarrageError(failure, retry=False)
                asked = float(response.headers.get("retry-after", 0))
            except (httpx.TransportError, TimeoutError) as error:
                failure = repr(error)  # no answer: it may have been published, so the key stays the same
            pause = max(asked * (1 + random.random() / 2), random.random() * min(5, 0.2 * 2**attempt))
            if time.monotonic() + pause >= ends:
                raise BarrageError(failure, retry=True)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        await self._http.aclose()
