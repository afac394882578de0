"""The plain alternative's HTTP: FastAPI, one route, a session and a transaction for each request.

Started by `bench/servers.py` with uvicorn (httptools, uvloop, no access log), one process. From the environment:
`PLAIN_DATABASE`, a `postgresql+asyncpg://…` URL, and `PLAIN_TOKEN`, the bearer token that tills send.
"""

import hmac
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from plain.messages import RedeemRequest, RedeemResponse
from plain.redeeming import Answer, KeyReusedError, redeem

POOL_CONNECTIONS = 32
"""As many as clients. From 5 to 32 the number made no difference beyond the noise: the ORM's own work is the bound."""

engine = create_async_engine(os.environ["PLAIN_DATABASE"], pool_size=POOL_CONNECTIONS, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
bearer = HTTPBearer()
app = FastAPI()


async def session() -> AsyncIterator[AsyncSession]:
    """Give a request its session, back in the pool after the answer."""
    async with sessions() as opened:
        yield opened


async def caller(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> None:
    """Refuse a stranger."""
    if not hmac.compare_digest(credentials.credentials, os.environ["PLAIN_TOKEN"]):
        raise HTTPException(401, "Missing or invalid bearer token")


@app.post("/checkout/amcash/redeem", dependencies=[Depends(caller)], response_model=RedeemResponse)
async def redeem_route(
    request: RedeemRequest,
    idempotency_key: Annotated[str, Header()],
    opened: Annotated[AsyncSession, Depends(session)],
) -> JSONResponse:
    """Redeem, durably: the transaction is committed before the answer leaves."""
    try:
        async with opened.begin():
            answer: Answer = await redeem(opened, idempotency_key, request)
    except KeyReusedError:
        raise HTTPException(400, "Idempotency-Key was already used for another request") from None
    return JSONResponse(answer.body, answer.status)
