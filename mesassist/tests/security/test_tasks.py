"""Every task, command and consumer tried for the wrong plant: Alfa with Beta's ids does nothing to Beta."""

from contextlib import suppress
from io import StringIO

import pytest
from confluent_kafka import Message
from django.core.management import CommandError, call_command, get_commands
from django.utils import timezone

from mesassist.celery import app
from mesassist.tenants.scope import tenant_scope
from mesassist.tests.security.figures import note
from mesassist.tests.security.traces import fingerprint
from production.ingest.batches import Plant as Reader
from production.ingest.batches import take_batch
from production.ingest.progress import Window, read_partition
from production.models import Event, KafkaSource, Quarantined

pytestmark = pytest.mark.django_db
OURS = ("analyses.", "production.", "mesassist.", "dashboards.")
# Tasks for one tenant: what else they are given, from Beta's rows.
OF_A_TENANT = {
    "analyses.tasks.run_analysis": lambda betas: {"analysis_id": str(betas.rows[model(betas, "Analysis")].pk)},
    "production.tasks.import_upload": lambda betas: {"run_id": betas.rows[model(betas, "ImportRun")].pk},
    "production.tasks.fold_tenant": lambda betas: {},
    "production.tasks.drop_old_of_tenant": lambda betas: {},
    "production.tasks.drop_uploads_of_tenant": lambda betas: {},
    "mesassist.selfcheck.check_one": lambda betas: {},
    "mesassist.audit.tasks.check_chain": lambda betas: {},
}
# Tasks for all tenants: they take no id, look as a platform role, and ring or work tenant by tenant.
OF_THE_PLATFORM = {
    "analyses.tasks.ring_waiting": "rings for each tenant's analyses with that tenant's id",
    "analyses.tasks.reap_stale": "frees each analysis inside its tenant's scope",
    "production.tasks.fold_all": "rings for each tenant with marks",
    "production.tasks.fold_open": "rings for each tenant that is heard of",
    "production.tasks.keep_partitions": "makes and empties partitions, which belong to nobody",
    "production.tasks.drop_old": "rings for each tenant that keeps its events for a time",
    "production.tasks.resume_stale_imports": "rings for each import with its tenant's id",
    "production.tasks.drop_uploads": "rings for each tenant with files",
    "mesassist.selfcheck.check_all": "checks each tenant inside its own scope",
    "mesassist.audit.tasks.check_chains": "rings for each tenant's chain",
    "mesassist.watchdog.canary": "says that a worker of the queue lives",
}


def model(plant, name):
    """The model of that name."""
    return next(kind for kind in plant.rows if kind.__name__ == name)


def our_tasks():
    """Every registered task of ours; those that other tests made for themselves left out."""
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if name.startswith(OURS) and ".tests." not in name}


@pytest.fixture
def due(alfas, betas):
    """Beta's analysis and import wait for a worker, and its file is old: whoever may touch them would."""
    with tenant_scope(betas.tenant):
        analysis, run, upload = (model(betas, name) for name in ("Analysis", "ImportRun", "Upload"))
        # Rung for just now: else the platform's own ringing, which any task may set off, would note its time.
        analysis.objects.update(
            rung_at=timezone.now(), status="queued", finished_at=None, expires_at="2100-01-01T00:00Z"
        )
        run.objects.update(status="waiting", upload=None)
        upload.objects.update(used_at="2001-01-01T00:00Z")
    return betas


IMPORT = "production.tasks.import_upload"


class TestTasks:
    def test_every_task_is_in_the_table(self):
        assert set(our_tasks()) == set(OF_A_TENANT) | set(OF_THE_PLATFORM)

    def test_a_task_takes_a_tenant_or_nothing(self):
        takes = {name: set(task.run.__annotations__) - {"return"} for name, task in our_tasks().items()}
        assert {name for name, names in takes.items() if "tenant_id" in names} == set(OF_A_TENANT)
        assert {name: names for name, names in takes.items() if name in OF_THE_PLATFORM and names} == {}

    @pytest.mark.parametrize("name", OF_A_TENANT)
    def test_with_another_tenants_id_it_does_nothing_there(self, name, alfas, due):
        before = fingerprint(due.tenant)
        our_tasks()[name](tenant_id=alfas.tenant.pk, **OF_A_TENANT[name](due))
        assert fingerprint(due.tenant) == before

    def test_for_its_own_tenant_each_finds_its_row(self, due):
        """The positive control: the same ids with the right tenant are acted upon."""
        still = []
        for name in ("analyses.tasks.run_analysis", "production.tasks.drop_uploads_of_tenant", IMPORT):
            before = fingerprint(due.tenant)
            our_tasks()[name](tenant_id=due.tenant.pk, **OF_A_TENANT[name](due))
            if fingerprint(due.tenant) == before:
                still.append(name)
        assert still == []

    def test_the_table_is_counted(self):
        note("tasks tried with the wrong tenant", f"{len(OF_A_TENANT)} of {len(OF_A_TENANT)}")


# --- commands -------------------------------------------------------------------------------------------


def analyse_theirs(alfas, due):
    with pytest.raises(CommandError, match="has no summary"):
        call_command("run_analysis", tenant="alfa", summary=due.rows[model(due, "Summary")].pk, stdout=StringIO())


def check_own(alfas, due):
    said = StringIO()
    with suppress(SystemExit):
        call_command("selfcheck", tenant="alfa", stdout=said)
    assert "beta" not in said.getvalue().lower()


def import_own(alfas, due, path):
    path.write_text("machine,at,state\nFileMapping,2026-03-02 06:00,running\n")
    with suppress(CommandError):
        call_command("import_production", str(path), tenant="alfa", zone="Europe/Warsaw", stdout=StringIO())


COMMANDS = {"run_analysis": analyse_theirs, "selfcheck": check_own, "import_production": import_own}
PLATFORM_COMMANDS = {
    "seed_demo": "makes both demo tenants, each inside its own scope",
    "consume_events": "reads topics that platform staff bound to a tenant",
    "simulate_plant": "sends through the REST door with a key",
    "audit_verify": "verifies each tenant's chain and prints no contents",
    "offboard_tenant": "removes the one tenant that it is told, and shows beforehand what",
    "rotate_keys": "seals every tenant's secrets anew, each inside its own scope",
}


class TestCommands:
    def test_every_command_of_ours_is_in_the_table(self):
        ours = {name for name, where in get_commands().items() if str(where).startswith(tuple(o[:-1] for o in OURS))}
        assert ours == set(COMMANDS) | set(PLATFORM_COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_for_alfa_it_leaves_beta_alone(self, name, alfas, due, tmp_path):
        before = fingerprint(due.tenant)
        more = {"path": tmp_path / "file.csv"} if name == "import_production" else {}
        COMMANDS[name](alfas, due, **more)
        assert fingerprint(due.tenant) == before


# --- the consumer ---------------------------------------------------------------------------------------

PIECES = b'"machine": "Machine-code", "at": "2026-03-02T06:00:00Z", "kind": "count", "good": 1'
SAYS_BETA = (
    b'{"event_id": "f1", "tenant": "beta", ' + PIECES + b"}",
    b'{"event_id": "f2", "tenant_id": 2, ' + PIECES + b"}",
)
FOR_ALFA = b'{"event_id": "f3", ' + PIECES + b"}"


class TestConsumer:
    def test_what_a_record_says_of_tenants_is_not_believed(self, alfas, due):
        """The topic's tenant is the record's; the machine of that code is Alfa's, though Beta has one too."""
        now, before = timezone.now(), fingerprint(due.tenant)
        with tenant_scope(alfas.tenant):
            source = KafkaSource.objects.get()
            read_partition(source=source, partition=3, now=now)
            reader = Reader.of(source)
            records = [record(number, value) for number, value in enumerate((*SAYS_BETA, FOR_ALFA))]
            take_batch(plant=reader, records=records, window=Window(), suspects=None, now=now)
            reader.schemas.close()
            taken = Event.objects.filter(source=source.name)
            assert [event.machine for event in taken.filter(event_id="f3")] == [alfas.rows[model(alfas, "Machine")]]
            refused = Quarantined.objects.filter(kafka_source=source, code="unknown_field").count()
            assert (refused, taken.filter(event_id__in=["f1", "f2"]).count()) == (2, 0)
        assert fingerprint(due.tenant) == before


def record(number, value):
    """A record as the library hands it over."""
    return Message(topic="any", partition=3, offset=number, key=b"k", value=value, timestamp=(1, 0))
