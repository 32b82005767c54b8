"""Master data: sites, lines, machines and the rest, as other programs read and keep them."""

from typing import Any

import django_filters as filters
from django.db import models
from drf_spectacular.utils import extend_schema
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet

from mesassist.tenants.apidoor import TenantDoor
from mesassist.tenants.models import Scope
from mesassist.tenants.scope import tenant_tx
from mesassist.tenants.wire import TenantSerializer
from production.changes import mark_changed
from production.models import IdealCycle, Line, Machine, Product, Reason, Shift, Site, WorkOrder


class MasterDoor(TenantDoor, ModelViewSet):
    """Reading needs `read`; adding, changing and removing need `configure`."""

    needs = {"GET": Scope.READ, "POST": Scope.CONFIGURE, "PATCH": Scope.CONFIGURE, "DELETE": Scope.CONFIGURE}
    refusals = {"POST": ("409",), "PATCH": ("409",), "DELETE": ("409",)}
    lookup_value_regex = r"\d+"

    def perform_create(self, serializer: BaseSerializer) -> None:
        """Save the new row, and mark the history that it alters."""
        with tenant_tx():
            mark_changed(row=serializer.save())

    def perform_update(self, serializer: BaseSerializer) -> None:
        """Save the edit, and mark the history that it alters, before and after."""
        fields = serializer.validated_data.keys()
        with tenant_tx():
            mark_changed(row=serializer.instance, fields=fields)
            mark_changed(row=serializer.save(), fields=fields)

    def perform_destroy(self, instance: Any) -> None:
        """Remove the row, and mark the history that it had a say in; 409 while something rests on it."""
        with tenant_tx():
            mark_changed(row=instance)
            instance.delete()

    def get_queryset(self) -> models.QuerySet[Any]:
        """The active tenant's rows: asked anew per request, since the class was made outside every scope."""
        row: Any = self.queryset.model  # type: ignore[union-attr]
        rows: models.QuerySet[Any] = row.objects.all()
        return rows


def serializer_of(row: type[models.Model], *names: str) -> type[TenantSerializer]:
    """The serializer of a plain row with those fields."""
    meta = type("Meta", (), {"model": row, "fields": ("id", *names)})
    return type(row.__name__, (TenantSerializer,), {"Meta": meta, "__doc__": row.__doc__})


class CodeFilter(filters.FilterSet):
    """Every coded thing can be found by its code."""

    code = filters.CharFilter()


class LineFilter(CodeFilter):
    """Lines of a site."""

    # Numbers, not choices of rows: a stranger's id then simply finds nothing, as an unused one does.
    site = filters.NumberFilter(field_name="site_id")


class MachineFilter(CodeFilter):
    """Machines of a line."""

    line = filters.NumberFilter(field_name="line_id")


class CycleFilter(filters.FilterSet):
    """Cycles of a machine."""

    machine = filters.NumberFilter(field_name="machine_id")


class ShiftFilter(filters.FilterSet):
    """Shifts of a site."""

    site = filters.NumberFilter(field_name="site_id")


@extend_schema(tags=["master-data"])
class SiteDoor(MasterDoor):
    """Places with one clock: `zone` is an IANA name and decides the production day."""

    queryset = Site.objects.none()
    serializer_class = serializer_of(Site, "code", "name", "zone")
    filterset_class = CodeFilter


@extend_schema(tags=["master-data"])
class LineDoor(MasterDoor):
    """Machines that work together, at one site."""

    queryset = Line.objects.none()
    serializer_class = serializer_of(Line, "code", "name", "site", "counting_point")
    filterset_class = LineFilter


@extend_schema(tags=["master-data"])
class MachineDoor(MasterDoor):
    """Machines and work places; events name them by `code`."""

    queryset = Machine.objects.none()
    serializer_class = serializer_of(Machine, "code", "name", "line", "micro_stop_s", "contact_timeout_s", "retired_at")
    filterset_class = MachineFilter


@extend_schema(tags=["master-data"])
class ProductDoor(MasterDoor):
    """What is made, with the unit of its quantities."""

    queryset = Product.objects.none()
    serializer_class = serializer_of(Product, "code", "name", "unit")
    filterset_class = CodeFilter


@extend_schema(tags=["master-data"])
class CycleDoor(MasterDoor):
    """Ideal cycles: seconds per piece of a product on a machine; no product means any product."""

    queryset = IdealCycle.objects.none()
    serializer_class = serializer_of(IdealCycle, "machine", "product", "seconds")
    filterset_class = CycleFilter


@extend_schema(tags=["master-data"])
class ReasonDoor(MasterDoor):
    """Why a machine stood or a piece was lost, with the class of loss."""

    queryset = Reason.objects.none()
    serializer_class = serializer_of(Reason, "code", "name", "loss_class")
    filterset_class = CodeFilter


@extend_schema(tags=["master-data"])
class ShiftDoor(MasterDoor):
    """Shifts in the site's local time, on ISO weekdays of their start (1 is Monday)."""

    queryset = Shift.objects.none()
    serializer_class = serializer_of(Shift, "site", "name", "starts", "ends", "weekdays")
    filterset_class = ShiftFilter


@extend_schema(tags=["master-data"])
class OrderDoor(MasterDoor):
    """Orders; the quantity of an order counts once."""

    queryset = WorkOrder.objects.none()
    serializer_class = serializer_of(WorkOrder, "code", "product", "quantity")
    filterset_class = CodeFilter
