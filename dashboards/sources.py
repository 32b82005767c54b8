"""Sources page: which source is believed where two report on one machine, and readings that were not believed."""

from collections.abc import Iterable

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import ApiKey, Role
from production.corrections import rank_source, trust_reading
from production.ingest.contract import is_reserved
from production.models import Implausible, ImportRun, KafkaSource, SourceRank
from production.viewing import plant_time

READINGS_SHOWN = 25
HIGHEST = 100


class RankForm(forms.Form):
    """A source and how far it is believed."""

    source = forms.CharField(label=gettext_lazy("Source"), max_length=64)
    rank = forms.IntegerField(label=gettext_lazy("Rank"), min_value=-HIGHEST, max_value=HIGHEST)

    def clean_source(self) -> str:
        """What people and the portal say has a rank of its own."""
        source: str = self.cleaned_data["source"]
        if is_reserved(source):
            raise forms.ValidationError(_("This name is kept for corrections by people. They are always believed."))
        return source


@require_safe
@door(Role.VIEWER)
@plant_time()
def sources(request: TenantRequest) -> HttpResponse:
    """The known sources by rank, and the readings that rose faster than the machine can produce."""
    return show_sources(request, RankForm())


def show_sources(request: TenantRequest, form: RankForm, *, status: int = 200) -> HttpResponse:
    """The page, with the form as it stands."""
    readings = Implausible.objects.select_related("machine", "trusted_by").order_by("-at", "-pk")
    context = {
        "form": form,
        "ranks": list_sources(request),
        "page": Paginator(readings, READINGS_SHOWN).get_page(request.GET.get("page")),
    }
    return render(request, "dashboards/sources.html", context, status=status)


def list_sources(request: TenantRequest) -> list[tuple[str, int]]:
    """(source, rank) of every source that has a rank, a key, a topic or a file, highest rank first."""
    ranks = dict(SourceRank.objects.values_list("source", "rank"))
    keys: Iterable[str] = ApiKey.objects.filter(tenant=request.tenant).values_list("name", flat=True)
    files = (
        f"file:{name}" for name in ImportRun.objects.order_by("mapping").values_list("mapping", flat=True).distinct()
    )
    known = {*ranks, *keys, *files, *KafkaSource.objects.values_list("name", flat=True)}
    return sorted(((name, ranks.get(name, 0)) for name in known), key=lambda one: (-one[1], one[0]))


@require_POST
@door(Role.MANAGER)
@plant_time()
def rank(request: TenantRequest) -> HttpResponse:
    """Say how far a source is believed."""
    form = RankForm(request.POST)
    if not form.is_valid():
        return show_sources(request, form, status=422)
    chosen = form.cleaned_data
    rank_source(source=chosen["source"], rank=chosen["rank"])
    said = _("%(source)s has rank %(rank)s. Figures follow in a moment.") % chosen
    messages.success(request, said, extra_tags="good")
    return redirect("dashboards:sources", request.tenant.slug)


@require_POST
@door(Role.MANAGER)
@plant_time()
def trust(request: TenantRequest, reading_id: int) -> HttpResponse:
    """Believe a reading: its pieces count."""
    reading: Implausible = get_object_or_404(Implausible.objects.all(), pk=reading_id)
    if trust_reading(reading=reading, trusted_by=request.user, now=timezone.now()):
        said = _("The reading is believed: its pieces count. Figures follow in a moment.")
        messages.success(request, said, extra_tags="good")
    else:
        messages.warning(request, _("Nothing was changed: somebody believed it before."), extra_tags="care")
    return redirect("dashboards:sources", request.tenant.slug)
