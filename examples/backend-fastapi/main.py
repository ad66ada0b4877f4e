"""A backend for Barrage: tokens, checked comments, and the auth webhook."""

import os
import time
from contextlib import asynccontextmanager
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel, Field

from barrage import Barrage, BarrageError
from comments import fault_of, may_write

SECRET = os.environ["BARRAGE_JWT_SECRET"]  # of at least 32 characters, the gateways have the same
barrage = Barrage(os.environ.get("BARRAGE_URL", "http://localhost:6789"), os.environ.get("BARRAGE_API_KEY"))


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield
    await barrage.close()


app = FastAPI(title="Comments for Barrage", lifespan=lifespan)


def user_of(token: str) -> str | None:
    try:
        return jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["exp", "uid"]})["uid"]
    except jwt.InvalidTokenError:
        return None


def signed_in(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, token = authorization.partition(" ")
    user = user_of(token) if scheme == "Bearer" else None
    if user is None:
        raise HTTPException(401, "sign in again")
    return user


class Comment(BaseModel):
    channel: str = Field(pattern=r"^video:\w{1,64}$")
    text: str


class Token(BaseModel):
    token: str


@app.get("/token")
async def token(user: Annotated[str, Query(pattern=r"^[\w-]{1,64}$")]) -> Token:
    """Put your own sign-in before it: this one believes everybody."""
    return Token(token=jwt.encode({"uid": user, "exp": int(time.time()) + 3600}, SECRET, algorithm="HS256"))


@app.post("/comments", status_code=201)
async def comment(given: Comment, user: Annotated[str, Depends(signed_in)]) -> dict:
    if fault := fault_of(given.text):
        raise HTTPException(422, fault)
    if not may_write(user):
        raise HTTPException(429, "not so fast")
    try:
        published = await barrage.publish(given.channel, {"user": user, "text": given.text}, user=user)
    except BarrageError as error:
        raise HTTPException(503 if error.retry else 500, "try again" if error.retry else "our mistake") from error
    return {"offset": published["offset"]}


@app.post("/auth")
async def auth(given: Token) -> dict:
    """For gateways with BARRAGE_AUTH_URL in place of the secret."""
    user = user_of(given.token)
    if user is None:
        raise HTTPException(401, "no such token")
    return {"uid": user}
