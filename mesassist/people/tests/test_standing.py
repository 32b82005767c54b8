"""Standing: what a stream asks while it stays open."""

import pytest

from mesassist.people.standing import end_sessions, still_may
from mesassist.tenants.models import Membership, Role
from mesassist.tenants.scope import tenant_scope


class TestStillMay:
    def test_a_member_may(self, ana, alfa):
        assert still_may(user_id=ana.pk, tenant_id=alfa.pk)

    def test_a_stranger_may_not(self, carla, alfa):
        assert not still_may(user_id=carla.pk, tenant_id=alfa.pk)

    def test_a_former_member_may_no_longer(self, ana, alfa):
        with tenant_scope(alfa):
            Membership.objects.filter(user=ana).delete()
        assert not still_may(user_id=ana.pk, tenant_id=alfa.pk)

    def test_a_lower_role_may_no_longer(self, ana, alfa):
        asked = {"user_id": ana.pk, "tenant_id": alfa.pk, "least_role": Role.OPERATOR}
        assert still_may(**asked)
        with tenant_scope(alfa):
            Membership.objects.filter(user=ana).update(role=Role.VIEWER)
        assert not still_may(**asked)

    def test_a_deactivated_account_may_no_longer(self, ana, alfa):
        ana.is_active = False
        ana.save()
        assert not still_may(user_id=ana.pk, tenant_id=alfa.pk)

    def test_an_ended_session_may_no_longer(self, signed_in, ana, alfa):
        key = signed_in("ana").session.session_key
        asked = {"user_id": ana.pk, "tenant_id": alfa.pk, "session_key": key}
        assert still_may(**asked)
        assert end_sessions(user_id=ana.pk) == 1
        assert not still_may(**asked)

    def test_it_works_inside_the_tenants_scope(self, ana, in_alfa):
        assert still_may(user_id=ana.pk, tenant_id=in_alfa.pk)

    @pytest.mark.usefixtures("in_alfa")
    def test_it_leaves_the_scope_as_it_was(self, ana, alfa):
        still_may(user_id=ana.pk, tenant_id=alfa.pk)
        assert Membership.objects.filter(tenant=alfa).count() == 1
