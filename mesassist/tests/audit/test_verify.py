"""Verify: whatever somebody with every right does to the trail in the database is found and named."""

import json

import pytest
from django.core.management import CommandError, call_command

from analyses.models import AssistantSettings
from mesassist.audit import anchors
from mesassist.audit.chain import find_breaks, verify_chain
from mesassist.audit.heads import keep_check
from mesassist.audit.models import ChainCheck, Entry
from mesassist.audit.tasks import check_chain, check_chains
from mesassist.selfcheck import find_broken
from mesassist.tenants.models import Tenant
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production.selfchecks import Asked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trail(alfa):
    """Alfa's assistant, made and then changed four times: entries 1 to 5; gives the rows' ids."""
    with tenant_scope(alfa):
        row = AssistantSettings.objects.create(tenant=alfa, model="m0")
        for number in range(1, 5):
            AssistantSettings.objects.filter(pk=row.pk).update(model=f"m{number}")
        return list(Entry.objects.order_by("number").values_list("pk", flat=True))


@pytest.fixture
def verify(capsys):
    """What `audit_verify` printed, and with which code it ended."""

    def run(*arguments):
        code = 0
        try:
            call_command("audit_verify", *map(str, arguments))
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out

    return run


class TestVerify:
    def test_an_untouched_trail_is_unbroken(self, trail, verify):
        code, said = verify()
        assert (code, "alfa: 5 entries, unbroken, head 5 " in said) == (0, True)

    @pytest.mark.parametrize(
        "column", ["actor = 'carla'", "changes = '{}'", "at = at + interval '1 µs'", "object_id = '7'"]
    )
    def test_a_changed_row_is_named(self, trail, verify, tamper, column):
        tamper(f"UPDATE audit_entry SET {column} WHERE number = 3".replace("1 µs", "1 microsecond"))
        code, said = verify()
        assert code == 1
        (sentence,) = [line for line in said.splitlines() if line.startswith("  ")]
        assert sentence.startswith(f"  entry 3 (row {trail[2]} of audit_entry: changed analyses.AssistantSettings ")
        assert sentence.endswith("is not what was sealed: it was changed")

    def test_a_row_that_was_sealed_anew_breaks_the_next_link(self, alfa, trail, verify, tamper):
        from django.db.models import TextField
        from django.db.models.functions import Cast

        from mesassist.audit.chain import SEALED, seal_of

        with tenant_scope(alfa):
            rows = Entry.objects.annotate(written=Cast("changes", TextField()))
            row = rows.values("previous", *SEALED).get(number=3) | {"actor": "carla"}
        tamper(f"UPDATE audit_entry SET actor = 'carla', hash = '{seal_of(row, chain=alfa.pk)}' WHERE number = 3")
        code, said = verify()
        assert (code, f"entry 4 (row {trail[3]} of audit_entry" in said, "its link was changed" in said) == (
            1,
            True,
            True,
        )

    def test_a_changed_link_is_named(self, trail, verify, tamper):
        tamper("UPDATE audit_entry SET previous = repeat('0', 64) WHERE number = 4")
        code, said = verify()
        assert (code, f"entry 4 (row {trail[3]} of audit_entry" in said, "its link was changed" in said) == (
            1,
            True,
            True,
        )

    def test_a_deleted_row_is_missed(self, trail, verify, tamper):
        tamper("DELETE FROM audit_entry WHERE number IN (2, 3)")
        code, said = verify()
        assert (code, f"entries 2 to 3 are missing before entry 4 (row {trail[3]} of audit_entry" in said) == (1, True)

    def test_a_first_row_that_is_gone_is_missed(self, trail, verify, tamper):
        tamper("DELETE FROM audit_entry WHERE number = 1")
        assert "entry 1 is missing before entry 2" in verify()[1]

    def test_the_platforms_chain_is_walked_too(self, trail, boris, verify, tamper):
        tamper("UPDATE audit_platformentry SET actor = 'x' WHERE number = 1", table="audit_platformentry")
        code, said = verify()
        assert (code, "*platform: 2 entries, BROKEN" in said) == (1, True)

    def test_another_tenants_chain_stays_unbroken(self, trail, beta, verify, tamper):
        with tenant_scope(beta):
            AssistantSettings.objects.create(tenant=beta)
        tamper("UPDATE audit_entry SET actor = 'x' WHERE number = 3")
        assert "beta: 1 entries, unbroken" in verify()[1]
        assert verify("--tenant", "beta")[0] == 0

    def test_the_self_check_asks_too(self, alfa, trail, tamper, now):
        tamper("UPDATE audit_entry SET actor = 'x' WHERE number = 3")
        with tenant_scope(alfa):
            (broken,) = [one for one in find_broken(asked=Asked(now=now)) if "audit" in one.name]
            assert list(find_breaks(Asked(now=now))) == broken.rows
        assert "entry 3" in broken.rows[0]


class TestAnchor:
    def test_entries_cut_off_the_end_are_missed_through_it(self, trail, verify, tamper, tmp_path):
        anchor = tmp_path / "anchor.json"
        assert verify("--write-anchor", anchor)[0] == 0
        tamper("DELETE FROM audit_entry WHERE number > 3")
        assert verify()[0] == 0
        code, said = verify("--anchor", anchor)
        assert (code, "the chain ends at entry 3 of audit_entry: entries up to 5" in said) == (1, True)

    def test_a_chain_that_was_written_anew_is_not_the_anchored_one(self, alfa, trail, verify, tmp_path):
        anchor = tmp_path / "anchor.json"
        verify("--write-anchor", anchor)
        content = json.loads(anchor.read_text())
        content["chains"]["alfa"]["hash"] = "1" * 64
        anchor.write_text(json.dumps(content))
        code, said = verify("--anchor", anchor)
        assert (code, f"entry 5 (row {trail[4]} of audit_entry) is not the one that was anchored" in said) == (1, True)

    def test_a_trail_that_only_grew_holds_against_it(self, alfa, trail, verify, tmp_path):
        anchor = tmp_path / "anchor.json"
        verify("--write-anchor", anchor)
        with tenant_scope(alfa):
            AssistantSettings.objects.update(model="m9")
        assert verify("--anchor", anchor)[0] == 0

    def test_a_tenant_that_was_removed_by_the_portal_is_not_missed(self, alfa, beta, trail, verify, tmp_path):
        anchor = tmp_path / "anchor.json"
        verify("--write-anchor", anchor)
        with platform_scope("test", role=PlatformRole.STAFF):
            Tenant.objects.filter(pk=beta.pk).delete()
        assert verify("--anchor", anchor)[0] == 0

    def test_a_tenant_that_vanished_is_missed(self, alfa, beta, trail, verify, tamper, tmp_path):
        anchor = tmp_path / "anchor.json"
        verify("--write-anchor", anchor)
        tamper(f"DELETE FROM tenants_tenant WHERE id = {beta.pk}", table="tenants_tenant")
        code, said = verify("--anchor", anchor)
        assert (code, "tenant beta, which was anchored, is gone" in said) == (1, True)

    def test_a_file_that_is_none_is_refused_with_a_sentence(self, trail, verify, tmp_path):
        (tmp_path / "x").write_text("{}")
        for name in ("x", "nowhere"):
            with pytest.raises(CommandError, match="is not an anchor"):
                call_command("audit_verify", "--anchor", str(tmp_path / name))
        with pytest.raises(CommandError, match="leave out --tenant"):
            call_command("audit_verify", "--tenant", "alfa", "--write-anchor", str(tmp_path / "y"))

    def test_nothing_is_written_for_a_broken_trail(self, trail, verify, tamper, tmp_path):
        tamper("DELETE FROM audit_entry WHERE number = 2")
        assert verify("--write-anchor", tmp_path / "anchor.json")[0] == 1
        assert not (tmp_path / "anchor.json").exists()
        assert anchors.PLATFORM.isalnum() is False


class TestNightly:
    def test_each_chain_is_walked_and_its_head_logged(self, alfa, trail, caplog, now):
        check_chain(tenant_id=alfa.pk)
        with tenant_scope(alfa):
            check = ChainCheck.objects.get()
            head = Entry.objects.first().hash
        assert (check.entries, check.head, check.broken) == (5, head, [])
        assert head in caplog.text

    def test_a_break_is_kept_for_the_page(self, alfa, trail, tamper, now, caplog):
        tamper("UPDATE audit_entry SET actor = 'x' WHERE number = 3")
        with tenant_scope(alfa):
            keep_check(verify_chain(), now=now)
            assert "entry 3" in ChainCheck.objects.get().broken[0]
        assert "audit_broken" in caplog.text

    def test_every_tenants_chain_is_rung_for(self, alfa, beta, monkeypatch, caplog):
        rung = []
        # The broker is not part of this: what would be sent is.
        monkeypatch.setattr(check_chain, "delay", lambda tenant_id: rung.append(tenant_id))
        check_chains()
        assert rung == [alfa.pk, beta.pk]


class TestForgetting:
    def test_a_trail_goes_after_its_tenant_and_not_before(self, alfa, beta, trail, verify):
        from django.db import ProgrammingError

        from mesassist.audit.heads import forget_trail

        with pytest.raises(ProgrammingError, match="its audit trail goes after it"):
            forget_trail(alfa.pk)
        pk = alfa.pk
        with platform_scope("test", role=PlatformRole.STAFF):
            Tenant.objects.filter(pk=pk).delete()
        assert forget_trail(pk) == 5
        assert verify()[0] == 0
