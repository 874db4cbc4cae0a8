"""The project list on FastAPI, uvicorn (uvloop, httptools) and asyncpg.

One process per core, each with its own socket; bench/run starts them.  MODE
is "bare" or "guaranteed"; see bench/README.md.
"""

import json
import os

import asyncpg
import jwt
from fastapi import Depends, FastAPI, Header, Query
from fastapi.responses import Response
from ujson import dumps

GUARANTEED = os.environ["MODE"] == "guaranteed"
SECRET = os.environ["JWT_SECRET"]
POOL = int(os.environ["POOL"])

with open(os.environ["STATEMENTS"], encoding="utf-8") as file:
    STATEMENTS = json.load(file)
ENTER = STATEMENTS["enter"]["text"]
LIST = STATEMENTS["guaranteed" if GUARANTEED else "bare"]


class Connection(asyncpg.Connection):
    """asyncpg's pool resets a connection with one more statement each time it
    is given back; nothing here outlives its transaction, so that is left out."""

    def get_reset_query(self):
        return ""


app = FastAPI(openapi_url=None)
pool: asyncpg.Pool


class Refused(Exception):
    """The credentials are bad."""


@app.exception_handler(Refused)
@app.exception_handler(asyncpg.PostgresError)
async def refuse(_request, error):
    known = isinstance(error, Refused) or error.sqlstate == "AS401"
    return Response('{"error":{"code":"%s"}}' % ("AUTHENTICATION_ERROR" if known else "INTERNAL"),
                    status_code=401 if known else 500, media_type="application/json")


@app.on_event("startup")
async def connect():
    global pool
    pool = await asyncpg.create_pool(min_size=POOL, max_size=POOL, connection_class=Connection,
                                     max_inactive_connection_lifetime=0)


# Async although it awaits nothing: FastAPI runs plain functions on a thread, at many times the cost of the check.
async def caller(authorization: str = Header("")):
    try:
        return jwt.decode(authorization[7:], SECRET, algorithms=["HS256"], audience="ashlar", issuer="ashlar",
                          leeway=30)
    except jwt.InvalidTokenError:
        raise Refused from None


def time_of(at):
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def body(rows, skip, limit):
    items = [
        {
            "id": str(row["id"]),
            "name": row["name"],
            "description": row["description"],
            "owner_id": row["owner_id"],
            "created_at": time_of(row["created_at"]),
            "updated_at": time_of(row["updated_at"]),
        }
        for row in rows
        if row["id"] is not None
    ]
    return dumps({"items": items, "total": rows[0]["total"], "skip": skip, "limit": limit},
                 ensure_ascii=False, escape_forward_slashes=False)


@app.get("/api/v1/app/projects")
async def project_list(
    claims: dict = Depends(caller),
    skip: int = Query(0, ge=0),
    limit: int = Query(20, ge=1, le=100),
):
    named = {"skip": skip, "limit": limit, "user_id": claims["uid"], "tenant_id": claims["tid"]}
    values = [named[name] for name in LIST["params"]]
    async with pool.acquire() as connection:
        if GUARANTEED:
            async with connection.transaction():
                await connection.fetchval(ENTER, claims["tid"], claims["iss"], claims["sub"], claims["sid"],
                                          "user", True)
                rows = await connection.fetch(LIST["text"], *values)
        else:
            rows = await connection.fetch(LIST["text"], *values)
    return Response(body(rows, skip, limit), media_type="application/json")
