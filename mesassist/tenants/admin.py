"""Admin: tenants, people and keys; and the manner in which every room's admin keeps to one tenant at a time."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.admin import UserAdmin
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from mesassist.tenants.models import Membership, Tenant, User
from mesassist.tenants.scope import current_tenant, tenant_scope

admin.site.site_header = "mesassist platform"
admin.site.site_title = "mesassist"
admin.site.index_title = "Every tenant"


class TenantForm(forms.ModelForm):
    """A form of one tenant's row: the tenant is the active one, and unique rules that begin with it are checked."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.tenant_id is None:
            self.instance.tenant = current_tenant()

    def _get_validation_exclusions(self) -> set[str]:
        # Without the tenant Django would skip "unique in the tenant" and the database would answer with an error.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"tenant"}


class OwnChoices(BaseModelAdmin):
    """Pickers offer the active tenant's rows, read once per page, without buttons that lead out of it."""

    form = TenantForm

    def formfield_for_dbfield(self, db_field: models.Field, request: HttpRequest, **kwargs: Any) -> Any:
        """The field without add, change and view buttons: they would open in no tenant or another one."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for button in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, button):
                setattr(field.widget, button, False)
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The choices, read once for however many rows of an inline."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.choices = list(field.choices)  # type: ignore[arg-type]
        return field


class TenantInline(OwnChoices, admin.TabularInline):
    """Rows of the same tenant below their parent."""

    extra = 0


class TenantAdmin(OwnChoices, admin.ModelAdmin):
    """Rows of tenants: the tenant is seen and filtered in the list, chosen before a row is added, never changed."""

    choose_template = "admin/choose_tenant.html"
    list_per_page = 50

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The tenant after the row's own name."""
        first, *rest = super().get_list_display(request)
        return [first, "tenant", *rest]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """The tenant first."""
        return ["tenant", *super().get_list_filter(request)]

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        """The tenant with the rows, so that a list does not ask once per row."""
        own: Any = super().get_list_select_related(request)
        return ("tenant", *(own or ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The tenant is shown and never edited."""
        return ["tenant", *super().get_readonly_fields(request, obj)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The tenant on top."""
        return ["tenant", *(name for name in super().get_fields(request, obj) if name != "tenant")]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Add or change inside the tenant's scope; the form, its pickers and its checks see that tenant alone."""
        if object_id is None:
            tenant = Tenant.objects.filter(slug=request.GET.get("tenant", "")).first()
            if tenant is None:
                return self.ask_for_tenant(request)
        else:
            row = self.get_object(request, object_id)
            tenant = row.tenant if row else None
        if tenant is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        with tenant_scope(tenant):
            response = super().changeform_view(request, object_id, form_url, extra_context)
            if isinstance(response, TemplateResponse):
                response.render()
            return response

    def ask_for_tenant(self, request: HttpRequest) -> HttpResponse:
        """The step before adding: which tenant the new row belongs to."""
        context = self.admin_site.each_context(request) | {
            "title": f"Add {self.opts.verbose_name}: to which tenant?",
            "opts": self.opts,
            "tenants": Tenant.objects.all(),
        }
        return TemplateResponse(request, self.choose_template, context)


class CappedPaginator(Paginator):
    """Counts to 10,000 and no further: counting millions of rows for a page number helps nobody."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        """The number of rows, or the most that can be paged to."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.MOST].count())


class ReadOnly(admin.ModelAdmin):
    """Rows that only the portal writes: to be read here, never edited."""

    paginator = CappedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody removes one."""
        return False


class RecordAdmin(ReadOnly, TenantAdmin):
    """Such rows of tenants."""


# --- tenants, people, keys ----------------------------------------------------------------------------


@admin.register(Tenant)
class TenantsAdmin(admin.ModelAdmin):
    """Plants. Their people are assigned on each person's page."""

    list_display = ("name", "slug", "creates_unknown_machines", "created_at")
    search_fields = ("name", "slug")

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        """The slug is in bookmarks and programs: it is set once."""
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Removing a plant with all its history is no button."""
        return False


class MembershipInline(admin.TabularInline):
    """The person's roles, one per tenant."""

    model = Membership
    extra = 1

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The tenants, read once."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.choices = list(field.choices)  # type: ignore[arg-type]
        return field


@admin.register(User)
class PeopleAdmin(UserAdmin):
    """People and their memberships."""

    inlines = (MembershipInline,)
    list_display = ("username", "email", "belongs_to", "is_staff", "is_active", "last_login")
    list_filter = ("tenants", "is_staff", "is_active")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        """People with their memberships, in two queries."""
        return super().get_queryset(request).prefetch_related("memberships__tenant")

    @admin.display(description="memberships")
    def belongs_to(self, person: User) -> str:
        """Tenants and roles."""
        return ", ".join(f"{one.tenant} ({one.get_role_display()})" for one in person.memberships.all())


# Registered with the others; below the manner of admin pages, which it takes from here.
import mesassist.tenants.endpoint_admin  # noqa: E402
import mesassist.tenants.key_admin  # noqa: E402, F401
