"""Reports: Django's own error pages, which show every variable: for the demo (DEBUG) alone, and without secrets."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from mesassist.tenants.scrubbing import scrub


class SafeAlways(SafeExceptionReporterFilter):
    """Django's filter of sensitive variables and fields, also where DEBUG is on."""

    def is_active(self, request: HttpRequest | None) -> bool:
        """Yes."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        """What was posted, without what was posted as a secret."""
        posted = super().get_post_parameters(request).copy()
        for name in posted:
            if self.hidden_settings.search(name):
                posted[name] = self.cleansed_substitute
        return posted

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Passwords within addresses too."""
        cleansed = super().cleanse_setting(key, value)
        return scrub(cleansed) if isinstance(cleansed, str) else cleansed


class ScrubbedReporter(ExceptionReporter):
    """The finished report without secrets, whichever variable, message or line of code they were in."""

    def get_traceback_html(self) -> SafeString:
        """As a page."""
        return SafeString(scrub(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """As text."""
        return SafeString(scrub(super().get_traceback_text()))
