"""Watch: every model is watched or is not for a reason, and no secret column of a watched one is ever shown."""

import pytest
from django.apps import apps
from django.db import connection, models

from mesassist.tenants.secrets import SealedField

# Not recorded, each with its reason.
UNWATCHED = {
    "admin.LogEntry": "is a log itself, of the administration",
    "auth.Group": "gives no rights here: memberships do",
    "auth.Permission": "follows from the code",
    "auth.Group_permissions": "gives no rights here: memberships do",
    "contenttypes.ContentType": "follows from the code",
    "sessions.Session": "comes and goes with sign-ins",
    "usersessions.UserSession": "comes and goes with sign-ins",
    "account.EmailConfirmation": "is a letter on its way",
    "socialaccount.SocialApp": "is not used: providers are tenants' rows",
    "socialaccount.SocialToken": "is not kept",
    "tenants.User_groups": "gives no rights here: memberships do",
    "tenants.User_user_permissions": "gives no rights here: memberships do",
    "tenants.KeyCanary": "is written by the portal to know its own keys again",
    "audit.Entry": "is the trail",
    "audit.PlatformEntry": "is the trail",
    "audit.ChainCheck": "is what a walk along the trail found",
    "production.WorkOrder": "comes with the events, in any number; no figure rests on it",
    "production.Event": "is never changed: the journal is its own trail",
    "production.EventKey": "belongs to its event",
    "production.Rollup": "is derived",
    "production.LossRollup": "is derived",
    "production.DailyRollup": "is derived",
    "production.DailyLoss": "is derived",
    "production.Coverage": "is derived",
    "production.DirtyRange": "is a mark for the fold",
    "production.SelfCheck": "is a check's result",
    "production.ImportRun": "says itself who imported what, when and with what result",
    "production.Upload": "is a file on its way",
    "production.UploadChunk": "is a file on its way",
    "production.Quarantined": "says itself who decided what about it, and when",
    "production.KafkaPartition": "is a reader's place",
    "production.DecodeMark": "is a reader's mark",
    "production.KnownSchema": "is a copy of what the registry gave",
    "analyses.Analysis": "is history itself: what was asked, sent and answered",
    "analyses.Attempt": "is history itself",
    "analyses.Alias": "is made by the portal and never changes",
    "analyses.Spend": "is counted by the portal",
    "analyses.Breaker": "is the state of an endpoint",
}


def watched():
    """{table: the arguments of its triggers, by what they record}."""
    query = """
        SELECT tgrelid::regclass::text, tgname, tgargs FROM pg_trigger
        WHERE tgfoid = 'audit_record'::regproc::oid AND tgenabled = 'O' AND tgdeferrable AND tginitdeferred
    """
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = {}
        for table, name, arguments in cursor.fetchall():
            found.setdefault(table, {})[name.removeprefix("audit_")] = bytes(arguments).decode().split("\0")[:4]
    return found


@pytest.fixture
def triggers(db):
    return watched()


class TestWatch:
    def test_every_model_is_watched_or_is_not_for_a_reason(self, triggers):
        every = {
            model._meta.label: model._meta.db_table
            for model in apps.get_models(include_auto_created=True)
            if model._meta.managed
        }
        unwatched = {label for label, table in every.items() if table not in triggers}
        assert unwatched == set(UNWATCHED)

    def test_each_records_what_is_added_changed_and_removed(self, triggers):
        assert triggers.pop("production_implausible").keys() == {"changed"}
        assert {tuple(sorted(verbs)) for verbs in triggers.values()} == {("added", "changed", "removed")}

    def test_each_goes_by_the_name_of_its_model(self, triggers):
        labels = {model._meta.db_table: model._meta.label for model in apps.get_models(include_auto_created=True)}
        said = {table: {arguments[0] for arguments in verbs.values()} for table, verbs in triggers.items()}
        assert said == {table: {labels[table]} for table in triggers}

    def test_no_secret_of_a_watched_model_is_shown(self, triggers):
        secret = {}
        for model in apps.get_models():
            for field in model._meta.concrete_fields:
                named = field.column in ("password", "digest", "client_secret", "token")
                if isinstance(field, SealedField) or (named and isinstance(field, models.CharField | models.TextField)):
                    secret.setdefault(model._meta.db_table, set()).add(field.column)
        for table in secret.keys() & triggers.keys():
            for arguments in triggers[table].values():
                assert secret[table] <= set(arguments[1].strip("{}").split(",")), table
        assert {
            "analyses_assistantsettings",
            "production_kafkasource",
            "tenants_apikey",
        } <= secret.keys() & triggers.keys()

    def test_what_is_ignored_is_a_column(self, triggers):
        columns = {
            model._meta.db_table: {field.column for field in model._meta.concrete_fields} for model in apps.get_models()
        }
        for table, verbs in triggers.items():
            for arguments in verbs.values():
                for names in arguments[1:3]:
                    assert set(filter(None, names.strip("{}").split(","))) <= columns.get(table, set()) | {""}, table
