"""The table of every door: its kind, the least role or scope it opens for, whose rows its address names, a good body.

An address that is not here is red. `python -m pytest mesassist/tests/security/test_table.py` names it.
"""

from dataclasses import dataclass, field
from typing import Any

from mesassist.tenants.models import Role, Scope

VIEWER, OPERATOR, MANAGER, ADMIN = Role.VIEWER, Role.OPERATOR, Role.MANAGER, Role.TENANT_ADMIN
READ, INGEST, ANALYSE, CONFIGURE = Scope.READ, Scope.INGEST, Scope.ANALYSE, Scope.CONFIGURE
SEE, SEND, BOTH, FORM = ("GET", "HEAD"), ("POST",), ("GET", "HEAD", "POST"), ("GET", "POST")


def nothing(plant):
    """An empty body."""
    return {}


@dataclass(frozen=True)
class Entry:
    """A row of the table. `least` is {method: role or scope}; `rows` {part of the address: model}; `answers` are the
    statuses that say "come in" to whom it is for, where they are not 2xx."""

    kind: str
    least: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    body: Any = nothing
    reason: str = ""


def page(least, methods=SEE, body=nothing, **rows):
    """A page under /t/<tenant>/."""
    kind = "tenant_object" if rows else "tenant_create" if methods in (BOTH, FORM) else "tenant_page"
    return Entry(kind, dict.fromkeys(methods, least), rows, body)


def rest(needs, body=nothing, kind="tenant_list", **rows):
    """A door of the API."""
    return Entry("tenant_object" if rows else kind, needs, rows, body)


def public(reason):
    """Open to anybody, for a reason."""
    return Entry("public", reason=reason)


OWN = "shows and changes nothing but what is one's own"


def account(reason):
    """A page about signing in or about oneself; it belongs to no tenant."""
    return Entry("account", reason=reason)


def master(name, row, body):
    """The list and the row of a kind of master data."""
    some = {"GET": READ, "HEAD": READ, "POST": CONFIGURE}
    one = {"GET": READ, "HEAD": READ, "PATCH": CONFIGURE, "DELETE": CONFIGURE}
    return {f"{name}-list": rest(some, body), f"{name}-detail": rest(one, nothing, pk=row)}


def pk(plant, name):
    """What stands in an address for the plant's row: its id, or the field that the name ends in."""
    label = ".".join(name.split(".")[:2])
    row = next(row for model, row in plant.rows.items() if model._meta.label == label)
    return getattr(row, name.split(".")[2]) if name.count(".") == 2 else row.pk


SITE, LINE, MACHINE, PRODUCT = "production.Site", "production.Line", "production.Machine", "production.Product"
SUMMARY, UPLOAD, RUN, ANALYSIS = "production.Summary", "production.Upload", "production.ImportRun", "analyses.Analysis"
QUARANTINED, CORRECTION = "production.Quarantined", "production.Correction"


def new(**more):
    """A body that makes a coded thing; `more` are its references by label."""
    return lambda plant: {"code": "new", "name": "New"} | {name: pk(plant, label) for name, label in more.items()}


def new_summary(plant):
    return {"name": "New", "window": "today", "lines": [pk(plant, LINE)], "machines": [pk(plant, MACHINE)]}


def new_shift(plant):
    return {"site": pk(plant, SITE), "name": "Late", "starts": "14:00", "ends": "22:00", "weekdays": [1, 2]}


def summary_form(plant):
    return new_summary(plant) | {"metrics": ["oee"], "group_by": "machine", "compare_to": ""}


def question(plant):
    return {"summary": pk(plant, SUMMARY), "question": "Why?"}


def correction(plant):
    ends = {"from_at": "2026-03-02T06:00", "to_at": "2026-03-02T07:00"}
    return {"machine": pk(plant, MACHINE), "state": "down", "comment": "belt", "step": "preview", **ends}


def events(plant):
    return {"events": [{"event_id": "n1", "machine": "x", "at": "2026-03-02T06:00:00Z", "kind": "count", "good": 1}]}


OF_THE_HALL = {
    "home": public("sends to the sign-in or to the plant"),
    "sign-in": public("is where people sign in"),
    "sign-out": public("ends a session, if there is one"),
    "healthz": public("says that the process answers, and nothing else"),
    "readyz": public("says that the servers behind it answer, and nothing else"),
    "metrics": public("answers 404 unless asked from this machine or with the token"),
    "schema": public("describes the API's doors and holds no data"),
    "docs": public("shows the schema"),
    "nothing-here": public("answers 404 to whoever asks"),
    "admin-sign-in": public("is where staff sign in"),
    "join": public("opens for whoever has an invitation's link"),
}
# The way in, and what is one's own; allauth's views behind it, each with tests in the people room.
OF_ACCOUNTS = {
    **dict.fromkeys(
        ["account_login", "mfa_authenticate", "mfa_login_webauthn", "account_inactive", "account_signup"],
        account("is a step of signing in"),
    ),
    **dict.fromkeys(
        [
            "account_reset_password", "account_reset_password_done", "account_reset_password_from_key",
            "account_reset_password_from_key_done", "account_email_verification_sent", "account_confirm_email",
        ],
        account("opens for whoever reads the mailbox"),
    ),
    "account_logout": account("ends a session, if there is one"),
    **dict.fromkeys(
        [
            "account", "account_email", "account_change_password", "account_set_password", "account_reauthenticate",
            "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_index", "mfa_activate_totp",
            "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes",
            "mfa_download_recovery_codes", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_edit_webauthn",
            "mfa_remove_webauthn", "usersessions_list", "sessions-end-others", "session-end",
        ],
        account(OWN),
    ),
}  # fmt: skip
KEY = {"shown": "tenants.ApiKey.token_key"}
OF_PEOPLE = {
    "people": page(ADMIN, FORM),
    "sign-in-here": account("is where people of one company sign in"),
    "company-go": account("sends to the company's own sign-in"),
    "company-back": account("is where the company's sign-in sends back to"),
    "company-sign-in": page(ADMIN, FORM),
    "policy": page(ADMIN, SEND),
    "invitation-resend": page(ADMIN, SEND, invitation_id="tenants.Invitation"),
    "invitation-withdraw": page(ADMIN, SEND, invitation_id="tenants.Invitation"),
    "member-role": page(ADMIN, SEND, membership_id="tenants.Membership"),
    "member-remove": page(ADMIN, FORM, membership_id="tenants.Membership"),
}
OF_AUDIT = {
    "trail": page(MANAGER),
    "export": page(MANAGER),
    "check": page(MANAGER, SEND),
    "entry": page(MANAGER, number="audit.Entry.number"),
}
OF_KEYS = {
    "keys": page(ADMIN),
    "key-new": page(ADMIN, FORM),
    "key-rotate": page(ADMIN, FORM, **KEY),
    "key-pause": page(ADMIN, SEND, **KEY),
    "key-revoke": page(ADMIN, FORM, **KEY),
}
OF_DASHBOARDS = {
    "board": page(VIEWER),
    "strips": page(VIEWER),
    "summaries": page(VIEWER),
    "summary-new": page(MANAGER, BOTH, summary_form),
    "summary-preview": page(MANAGER, SEND, summary_form),
    "summary": page(MANAGER, BOTH, summary_form, summary_id=SUMMARY),
    "summary-delete": page(MANAGER, BOTH, summary_id=SUMMARY),
    "data": page(VIEWER),
    "files": page(VIEWER),
    "file-new": page(MANAGER, BOTH),
    "file-look": page(MANAGER, BOTH, upload_id=UPLOAD),
    "file-mapping": page(MANAGER, BOTH, upload_id=UPLOAD),
    "file-states": page(MANAGER, SEND, upload_id=UPLOAD),
    "file-preview": page(MANAGER, SEND, upload_id=UPLOAD),
    "mapping-delete": page(MANAGER, BOTH, mapping_id="production.FileMapping"),
    "import": page(VIEWER, run_id=RUN),
    "import-progress": page(VIEWER, run_id=RUN),
    "import-cancel": page(MANAGER, BOTH, run_id=RUN),
    "quarantine": page(OPERATOR),
    "quarantine-export": page(OPERATOR),
    "quarantine-replay": page(MANAGER, BOTH),
    "quarantine-discard": page(MANAGER, BOTH),
    "quarantine-machine": page(MANAGER, BOTH, new(line=LINE)),
    "quarantined": page(OPERATOR, row_id=QUARANTINED),
    "quarantined-mend": page(MANAGER, BOTH, row_id=QUARANTINED),
    "topics": page(VIEWER),
    "events": page(OPERATOR),
    "corrections": page(VIEWER),
    "correction-new": page(OPERATOR, BOTH, correction),
    "correction-undo": page(OPERATOR, BOTH, correction_id=CORRECTION),
    "sources": page(VIEWER),
    "source-rank": page(MANAGER, SEND, lambda plant: {"source": "erp-7", "rank": 5}),
    "reading-trust": page(MANAGER, SEND, reading_id="production.Implausible"),
}
OF_ANALYSES = {
    "panel": page(VIEWER),
    "analyse": page(OPERATOR, SEND),
    "slip": page(OPERATOR, SEND),
    "history": page(VIEWER),
    "detail": page(VIEWER, analysis_id=ANALYSIS),
    "card": page(VIEWER, analysis_id=ANALYSIS),
    "cancel": page(OPERATOR, SEND, analysis_id=ANALYSIS),
    "rerun": page(OPERATOR, SEND, analysis_id=ANALYSIS),
    "ask": page(OPERATOR, BOTH, question),
    "assistant": page(MANAGER, BOTH),
    "assistant-test": page(MANAGER, SEND),
    "assistant-try": page(MANAGER, SEND),
    "assistant-propose": page(MANAGER, SEND),
}
GET, ASK, TRY = {"GET": READ, "HEAD": READ}, {"POST": ANALYSE}, {"POST": CONFIGURE}
OF_THE_API = {
    "events": rest({"POST": INGEST}, events, kind="key_auth"),
    **master("site", SITE, new()),
    **master("line", LINE, new(site=SITE)),
    **master("machine", MACHINE, new(line=LINE)),
    **master("product", PRODUCT, new()),
    **master("idealcycle", "production.IdealCycle", lambda plant: {"machine": pk(plant, MACHINE), "seconds": 2.5}),
    **master("reason", "production.Reason", new()),
    **master("shift", "production.Shift", new_shift),
    **master("workorder", "production.WorkOrder", lambda plant: {"code": "new", "product": pk(plant, PRODUCT)}),
    **master("summary", SUMMARY, new_summary),
    "summary-data": rest(GET, pk=SUMMARY),
    "analyses": rest(GET | ASK, question),
    "analyses-preview": rest(ASK, question),
    "analysis": rest(GET, pk=ANALYSIS),
    "analysis-slip": rest(GET, pk=ANALYSIS),
    "analysis-cancel": rest(ASK, pk=ANALYSIS),
    "analysis-rerun": rest(ASK, pk=ANALYSIS),
    "assistant": rest({"GET": CONFIGURE, "HEAD": CONFIGURE, "PATCH": CONFIGURE}),
    "assistant-models": rest({"GET": CONFIGURE, "HEAD": CONFIGURE}),
    "assistant-test": rest(TRY),
}
TABLE = {
    **OF_THE_HALL,
    **OF_ACCOUNTS,
    **{f"people:{name}": entry for name, entry in OF_PEOPLE.items()},
    **{f"audit:{name}": entry for name, entry in OF_AUDIT.items()},
    **{f"keys:{name}": entry for name, entry in OF_KEYS.items()},
    **{f"dashboards:{name}": entry for name, entry in OF_DASHBOARDS.items()},
    **{f"analyses:{name}": entry for name, entry in OF_ANALYSES.items()},
    **OF_THE_API,
}
# The Django admin is one room: every address of it is the platform staff's, whichever models it shows.
PLATFORM = Entry("platform", reason="platform staff alone")
OPEN_IN_ADMIN = {"admin:login": "is where staff sign in", "admin:logout": "ends a session"}


def entry_of(name):
    """The table's row for a door, or None."""
    if name in OPEN_IN_ADMIN:
        return public(OPEN_IN_ADMIN[name])
    return PLATFORM if name.startswith("admin:") else TABLE.get(name)
