from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import insert

from app.core import database
from app.core.access import InsufficientScope
from app.core.api.pagination import Position
from app.roles import Role
from app.users import admin_service, repository
from app.users.models import User
from app.users.tests import make, new_address
from tests.database import Plan

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_page_of_accounts_is_read_from_the_index_in_its_order(app: Flask, plan: Plan) -> None:
    # With few rows, database servers prefer a sort to the index.
    rows = 500 if database.reading_engine.of(app).dialect.name == "sqlite" else 5_000
    values = {"password_hash": "x", "role": Role.USER, "version": 1}
    with app.app_context(), database.writing() as session:
        session.execute(
            insert(User),
            [
                {
                    **values,
                    "id": uuid4(),
                    "email": f"{number}@shop.example",
                    "created_at": NOON + timedelta(seconds=number),
                }
                for number in range(rows)
            ],
        )

    for after in (None, Position(NOON + timedelta(seconds=rows // 2), uuid4())):
        query_plan = plan(repository.page(21, after)).lower()
        assert "ix_users_created_at_id" in query_plan
        assert "sort" not in query_plan
        assert "temp b-tree" not in query_plan
    with app.app_context():
        assert len(admin_service.list_accounts(rows + 1).items) == rows


@pytest.mark.attack
def test_of_two_administrators_who_take_the_role_from_each_other_one_remains(app: Flask) -> None:
    first, second = (make(app, new_address(), role=Role.ADMIN) for _ in range(2))
    both = Barrier(2)

    def demote(actor_id: UUID, user_id: UUID) -> bool:
        with app.app_context():
            both.wait()
            try:
                with database.writing() as transaction:
                    admin_service.give_role(transaction, actor_id, user_id, Role.USER)
            except InsufficientScope:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(demote, (first, second), (second, first)))

    assert sorted(done) == [False, True]
    with app.app_context():
        roles = [admin_service.find(each).role for each in (first, second)]
    assert sorted(roles) == [Role.ADMIN, Role.USER]
