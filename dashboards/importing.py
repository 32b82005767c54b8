"""Import pages: a file is chosen, looked at, mapped, tried and taken; each step works without a script."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboards import wizard
from dashboards.mappings import describe_fields, list_states, read_answers
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.imports import start_import
from production.ingest.mapping import ImportRefused, MappingSpec, read_zone
from production.ingest.uploads import UploadRefused, find_at_work, find_earlier, keep_upload
from production.models import FileMapping, Upload
from production.viewing import plant_time

ACCEPTED = ".csv,.tsv,.txt,.xlsx,.xml,text/csv,text/plain,text/xml"


class FileForm(forms.Form):
    """A file and the zone of its clocks."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        max_length=255,
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a file first.")},
    )
    zone = forms.CharField(label=gettext_lazy("Time zone of its clocks"), max_length=64)

    def clean_zone(self) -> str:
        """An IANA name; an offset knows no summer time."""
        zone: str = self.cleaned_data["zone"].strip()
        try:
            read_zone(zone)
        except ImportRefused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return zone


# --- 1: choose ------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def new(request: TenantRequest) -> HttpResponse:
    """Hand in a file."""
    if request.method != "POST":
        return show_new(request, FileForm(initial={"zone": timezone.get_current_timezone_name()}))
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return show_new(request, form, status=422)
    upload = None
    try:
        upload = keep_upload(file=form.cleaned_data["file"], uploaded_by=request.user, now=timezone.now())
        wizard.look_at(upload=upload, zone=form.cleaned_data["zone"])
    except (UploadRefused, ImportRefused) as refusal:
        if upload:
            upload.delete()
        form.add_error("file", str(refusal))
        return show_new(request, form, status=getattr(refusal, "status", 422))
    return redirect("dashboards:file-look", request.tenant.slug, upload.pk)


def show_new(request: TenantRequest, form: FileForm, *, status: int = 200) -> HttpResponse:
    """The page, with the form as it stands."""
    context = {
        "form": form,
        "accepted": ACCEPTED,
        "most": filesizeformat(settings.IMPORT_MAX_BYTES),
        "zones": wizard.list_zones(),
    }
    return render(request, "dashboards/import_new.html", context, status=status)


# --- 2: look --------------------------------------------------------------------------------------------


def find_upload(upload_id: int) -> Upload:
    """The plant's file of that number, or 404."""
    upload: Upload = get_object_or_404(Upload.objects.all(), pk=upload_id)
    return upload


def send_to_run(request: TenantRequest, upload: Upload) -> HttpResponseRedirect | None:
    """To the import that is reading this file, if one is: its mapping stays as it was asked for."""
    run = find_at_work(upload=upload)
    return redirect("dashboards:import", request.tenant.slug, run.pk) if run else None


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def look(request: TenantRequest, upload_id: int) -> HttpResponse:
    """What the file is, with the evidence; a person confirms what the file leaves open."""
    upload = find_upload(upload_id)
    if elsewhere := send_to_run(request, upload):
        return elsewhere
    if request.method != "POST":
        return show_look(request, upload)
    touch(upload)
    detected = upload.draft["detected"]
    if request.POST.get("step") == "again" or wizard.layout_changed(request.POST, detected):
        try:
            wizard.look_again(upload=upload, layout=wizard.read_layout(request.POST, detected))
        except ImportRefused as refusal:
            return show_look(request, upload, problems=[str(refusal)], status=422)
        messages.success(request, _("The file was looked at again."), extra_tags="good")
        return redirect("dashboards:file-look", request.tenant.slug, upload.pk)
    if problems := wizard.confirm(upload=upload, sent=request.POST):
        return show_look(request, upload, problems=problems, status=422)
    return redirect("dashboards:file-mapping", request.tenant.slug, upload.pk)


def show_look(
    request: TenantRequest, upload: Upload, *, problems: list[str] | None = None, status: int = 200
) -> HttpResponse:
    """The page of what was found."""
    detected = upload.draft["detected"]
    context = {
        "upload": upload,
        "detected": detected,
        "kind": wizard.KINDS[detected["kind"]],
        "earlier": find_earlier(upload=upload),
        "problems": problems or [],
        "delimiters": wizard.DELIMITERS,
        "encodings": dict.fromkeys((detected["encoding"], *wizard.ENCODINGS)),
        "decimals": wizard.DECIMALS,
        "decimal": upload.draft["spec"].get("decimal", ".") if detected["decimal_certain"] else "",
    }
    return render(request, "dashboards/import_look.html", context, status=status)


def touch(upload: Upload) -> None:
    """Somebody works with the file: it is kept for another day."""
    upload.used_at = timezone.now()
    upload.save(update_fields=["used_at"])


# --- 3: map ---------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def mapping(request: TenantRequest, upload_id: int) -> HttpResponse:
    """Which column is what; the mapping is saved, tried, or imported with."""
    upload = find_upload(upload_id)
    if elsewhere := send_to_run(request, upload):
        return elsewhere
    if not upload.draft["confirmed"]:
        return redirect("dashboards:file-look", request.tenant.slug, upload.pk)
    if request.method == "POST":
        return answer_mapping(request, upload)
    if "from" in request.GET and request.GET["from"] != upload.draft["from"]:
        return begin_from(request, upload, request.GET["from"])
    return show_mapping(request, upload)


def begin_from(request: TenantRequest, upload: Upload, name: str) -> HttpResponse:
    """Begin again with another mapping."""
    try:
        wizard.start_from(upload=upload, name=name)
    except ImportRefused as refusal:
        return show_mapping(request, upload, problem=str(refusal), status=422)
    return redirect("dashboards:file-mapping", request.tenant.slug, upload.pk)


def answer_mapping(request: TenantRequest, upload: Upload) -> HttpResponse:
    """Keep the draft, then do what the button says."""
    touch(upload)
    keep_answers(upload, request)
    step = request.POST.get("step", "")
    if step == "states":
        return show_mapping(request, upload)
    spec, problem = wizard.check_mapping(upload.draft["spec"])
    if spec is None:
        return show_mapping(request, upload, problem=problem, status=422)
    if step != "try" and wizard.differs(spec=spec) and "replace" not in request.POST:
        return show_mapping(request, upload, ask=spec.name, step=step, status=409)
    if step == "save":
        wizard.save_mapping(upload=upload, spec=spec)
        messages.success(request, _("The mapping %(name)s is saved.") % {"name": spec.name}, extra_tags="good")
        return redirect("dashboards:file-mapping", request.tenant.slug, upload.pk)
    return begin_import(request, upload, spec, dry_run=step == "try")


def begin_import(request: TenantRequest, upload: Upload, spec: MappingSpec, *, dry_run: bool) -> HttpResponse:
    """Ask for the import or the trial, and show it; a second click shows the first one's."""
    try:
        run = start_import(
            upload=upload,
            spec=spec,
            zone=upload.draft["zone"],
            requested_by=request.user,
            now=timezone.now(),
            dry_run=dry_run,
        )
    except UploadRefused as refusal:
        return send_to_run(request, upload) or show_mapping(request, upload, problem=str(refusal), status=409)
    if not dry_run:
        # Rows that are mended later are read by the mapping of this name.
        wizard.save_mapping(upload=upload, spec=spec)
    return redirect("dashboards:import", request.tenant.slug, run.pk)


def keep_answers(upload: Upload, request: TenantRequest, *, save: bool = True) -> None:
    """Note the form in the draft."""
    draft = upload.draft
    upload.draft = draft | {"spec": read_answers(request.POST, spec=draft["spec"], reads=draft["reads"])}
    if save:
        upload.save(update_fields=["draft"])


def show_mapping(
    request: TenantRequest,
    upload: Upload,
    *,
    problem: str = "",
    ask: str = "",
    step: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page of the mapping. `ask`: the name of a known mapping that would be replaced; `step` waits for that."""
    draft = upload.draft
    context = describe_fields(draft["spec"], draft["detected"]) | {
        "upload": upload,
        "spec": draft["spec"],
        "from": draft["from"],
        "starts": wizard.list_starts(),
        "earlier": find_earlier(upload=upload),
        "problem": problem,
        "ask": ask,
        "step": step,
        "rows": read_states(upload),
    }
    return render(request, "dashboards/import_mapping.html", context, status=status)


def read_states(upload: Upload) -> list[dict[str, Any]]:
    """The values of the state column; one that cannot be read has none."""
    spec = upload.draft["spec"]
    try:
        return list_states(spec, wizard.count_states(upload=upload, spec=spec))
    except ImportRefused:
        return []


@require_POST
@door(Role.MANAGER)
@plant_time()
def states(request: TenantRequest, upload_id: int) -> HttpResponse:
    """The values of the state column that the form names; nothing is saved."""
    upload = find_upload(upload_id)
    keep_answers(upload, request, save=False)
    context = describe_fields(upload.draft["spec"], upload.draft["detected"]) | {"rows": read_states(upload)}
    return render(request, "dashboards/_import_states.html", context)


@require_POST
@door(Role.MANAGER)
@plant_time()
def preview(request: TenantRequest, upload_id: int) -> HttpResponse:
    """What the first rows would become by the form; nothing is saved."""
    upload = find_upload(upload_id)
    keep_answers(upload, request, save=False)
    spec, problem = wizard.check_mapping(upload.draft["spec"])
    context: dict[str, Any] = {"problem": problem}
    if spec:
        try:
            context["preview"] = wizard.preview(upload=upload, spec=spec, now=timezone.now())
        except ImportRefused as refusal:
            context["problem"] = str(refusal)
    return render(request, "dashboards/_import_preview.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def delete_mapping(request: TenantRequest, mapping_id: int) -> HttpResponse:
    """Ask, then delete a saved mapping; what was imported with it stays."""
    row: FileMapping = get_object_or_404(FileMapping.objects.all(), pk=mapping_id)
    if request.method != "POST":
        return render(request, "dashboards/mapping_delete.html", {"mapping": row})
    row.delete()
    messages.success(request, _("The mapping %(name)s is deleted.") % {"name": row.name}, extra_tags="good")
    return redirect("dashboards:files", request.tenant.slug)


@require_safe
@door(Role.VIEWER)
@plant_time()
def files(request: TenantRequest) -> HttpResponse:
    """Every import with what became of it, and the saved mappings."""
    return render(request, "dashboards/files.html", wizard.describe_files(request.GET.get("page")))
