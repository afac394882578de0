"""The plain alternative's tables, as SQLAlchemy's ORM wants them, and how they are filled for a run."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


class Collector(Base):
    """A member, with the running balances."""

    __tablename__ = "collector"
    __table_args__ = (CheckConstraint("cash >= 0"), CheckConstraint("dream >= 0"))

    number: Mapped[str] = mapped_column(primary_key=True)
    active: Mapped[bool]
    show_balances: Mapped[bool]
    allow_redemption: Mapped[bool]
    cash: Mapped[int] = mapped_column(BigInteger)
    dream: Mapped[int] = mapped_column(BigInteger)


class Transfer(Base):
    """Miles that moved; rows are only ever added."""

    __tablename__ = "transfer"
    __table_args__ = (Index("transfer_by_collector", "collector", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    collector: Mapped[str] = mapped_column(ForeignKey("collector.number"))
    kind: Mapped[str]
    source: Mapped[str]
    target: Mapped[str]
    miles: Mapped[int] = mapped_column(BigInteger)
    balance: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    confirmation: Mapped[str] = mapped_column(unique=True)
    sponsor: Mapped[str]
    store: Mapped[str]
    device: Mapped[str]
    trace: Mapped[str]
    acquirer: Mapped[str]
    vendor: Mapped[str]
    units: Mapped[int]
    cents: Mapped[int] = mapped_column(BigInteger)
    offer_id: Mapped[str]
    cap_day: Mapped[date]


class IdempotencyKey(Base):
    """What was answered to a key, so that a retry gets the same."""

    __tablename__ = "idempotency_key"

    sponsor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    status: Mapped[int]
    answer: Mapped[dict[str, str]] = mapped_column(JSONB)


class DailyUse(Base):
    """How much of a day's cap a collector has used."""

    __tablename__ = "daily_use"

    collector: Mapped[str] = mapped_column(primary_key=True)
    cap_day: Mapped[date] = mapped_column(primary_key=True)
    cents: Mapped[int] = mapped_column(BigInteger)


async def prepare(url: str, first: int, collectors: int, cash: int) -> None:
    """Make the tables anew, with `collectors` members from number `first` on, `cash` miles each."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            text(
                "INSERT INTO collector SELECT n::text, true, true, true, CAST(:cash AS bigint), 0 "
                "FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n"
            ),
            {"cash": cash, "first": first, "last": first + collectors - 1},
        )
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("VACUUM ANALYZE collector"))
    await engine.dispose()


async def redemptions(url: str) -> int:
    """Return how many redemptions the tables hold: the check that every answer was one."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT count(*) FROM transfer WHERE kind = 'redemption'"))
    await engine.dispose()
    return int(found or 0)
