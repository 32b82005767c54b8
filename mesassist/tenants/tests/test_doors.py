"""Doors: members of the role enter, lower roles are told, strangers find nothing."""

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.test import RequestFactory

from mesassist.tenants.doors import door
from mesassist.tenants.models import Membership, Role
from mesassist.tenants.scope import current_tenant, tenant_scope


@door(Role.OPERATOR)
def page(request):
    return HttpResponse(f"{current_tenant().slug} {request.membership.user.username}")


@pytest.fixture
def visit(django_user_model):
    def go(user, slug="alfa"):
        request = RequestFactory().get(f"/t/{slug}/")
        request.user, request.session = user, {}
        return page(request, tenant=slug)

    return go


class TestDoor:
    def test_it_opens_inside_the_tenants_scope(self, visit, ana):
        assert visit(ana).content == b"alfa ana"

    def test_it_opens_for_higher_roles(self, visit, boris):
        assert visit(boris).content == b"alfa boris"

    def test_it_tells_a_lower_role_what_is_needed(self, visit, vic):
        with pytest.raises(PermissionDenied, match="role operator"):
            visit(vic)

    def test_it_is_not_there_for_a_stranger(self, visit, carla, alfa):
        with pytest.raises(Http404):
            visit(carla)

    def test_a_stranger_cannot_tell_a_tenant_from_none(self, visit, carla, alfa):
        messages = []
        for slug in ("alfa", "nowhere"):
            with pytest.raises(Http404) as caught:
                visit(carla, slug)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]

    def test_it_closes_at_once_when_the_membership_ends(self, visit, ana, alfa):
        with tenant_scope(alfa):
            Membership.objects.filter(user=ana).delete()
        with pytest.raises(Http404):
            visit(ana)

    def test_it_asks_an_anonymous_person_to_sign_in(self, visit, alfa):
        from django.contrib.auth.models import AnonymousUser

        assert visit(AnonymousUser()).status_code == 302
