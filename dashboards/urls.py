"""Addresses of the dashboards room, under /t/<tenant>/."""

from django.urls import path

from dashboards import pages

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
]
