"""Addresses of the dashboards room, under /t/<tenant>/."""

from django.urls import path

from dashboards import corrections, events, importing, pages, quarantine, runs, sources, topics

app_name = "dashboards"
urlpatterns = [
    path("", pages.board, name="board"),
    path("strips/", pages.strips, name="strips"),
    path("summaries/", pages.summaries, name="summaries"),
    path("summaries/new/", pages.new_summary, name="summary-new"),
    path("summaries/preview/", pages.summary_preview, name="summary-preview"),
    path("summaries/<int:summary_id>/", pages.edit_summary, name="summary"),
    path("summaries/<int:summary_id>/delete/", pages.delete_summary, name="summary-delete"),
    path("data/", pages.data_page, name="data"),
    path("data/files/", importing.files, name="files"),
    path("data/files/new/", importing.new, name="file-new"),
    path("data/files/<int:upload_id>/", importing.look, name="file-look"),
    path("data/files/<int:upload_id>/mapping/", importing.mapping, name="file-mapping"),
    path("data/files/<int:upload_id>/states/", importing.states, name="file-states"),
    path("data/files/<int:upload_id>/preview/", importing.preview, name="file-preview"),
    path("data/files/mappings/<int:mapping_id>/delete/", importing.delete_mapping, name="mapping-delete"),
    path("data/imports/<int:run_id>/", runs.show, name="import"),
    path("data/imports/<int:run_id>/progress/", runs.progress, name="import-progress"),
    path("data/imports/<int:run_id>/cancel/", runs.cancel, name="import-cancel"),
    path("data/quarantine/", quarantine.quarantine, name="quarantine"),
    path("data/quarantine/export/", quarantine.export, name="quarantine-export"),
    path("data/quarantine/replay/", quarantine.replay, name="quarantine-replay"),
    path("data/quarantine/discard/", quarantine.discard, name="quarantine-discard"),
    path("data/quarantine/machine/", quarantine.new_machine, name="quarantine-machine"),
    path("data/quarantine/<int:row_id>/", quarantine.quarantined, name="quarantined"),
    path("data/quarantine/<int:row_id>/mend/", quarantine.mend, name="quarantined-mend"),
    path("data/topics/", topics.topics, name="topics"),
    path("data/events/", events.events, name="events"),
    path("data/corrections/", corrections.corrections, name="corrections"),
    path("data/corrections/new/", corrections.new_correction, name="correction-new"),
    path("data/corrections/<int:correction_id>/undo/", corrections.undo, name="correction-undo"),
    path("data/sources/", sources.sources, name="sources"),
    path("data/sources/rank/", sources.rank, name="source-rank"),
    path("data/readings/<int:reading_id>/trust/", sources.trust, name="reading-trust"),
]
