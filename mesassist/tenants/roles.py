"""Roles: what the portal runs as must be bound by the walls; a process that is not does not start."""

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

# Whether the role, or one it belongs to and inherits from, could look past the policies.
QUERY = """
SELECT current_user,
       bool_or(rolsuper OR rolbypassrls),
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relrowsecurity AND pg_has_role(c.relowner, 'USAGE')),
       EXISTS (SELECT FROM pg_roles p WHERE p.rolname IN ('mes_door', 'mes_jobs', 'mes_staff')
               AND pg_has_role(p.oid, 'USAGE')),
       (SELECT count(*) FROM pg_roles p WHERE p.rolname IN ('mes_door', 'mes_jobs', 'mes_staff')
        AND pg_has_role(p.oid, 'SET')) = 3
FROM pg_roles WHERE pg_has_role(oid, 'USAGE') OR rolname = current_user
"""
HELP = "Give the portal the role mes_app as docs/operations.md describes under Roles (docker/roles.sh makes it)."


class RoleDoesNotFit(Exception):
    """The database role can look past the walls, or lacks what the portal needs; the message says which."""


def check_role(over: BaseDatabaseWrapper = connection) -> None:  # type: ignore[assignment]
    """Judge the role of a connection; raises `RoleDoesNotFit`."""
    with over.cursor() as cursor:
        cursor.execute(QUERY)
        name, bypasses, owns, inherits, may_switch = cursor.fetchone()
    if bypasses:
        raise RoleDoesNotFit(f"The database role {name} bypasses row-level security. {HELP}")
    if owns:
        raise RoleDoesNotFit(f"The database role {name} owns the tables, so it could take the walls down. {HELP}")
    if inherits:
        raise RoleDoesNotFit(f"The database role {name} inherits a platform role and sees every tenant. {HELP}")
    if not may_switch:
        raise RoleDoesNotFit(f"The database role {name} may not act as mes_door, mes_jobs and mes_staff. {HELP}")
