"""Post: the mails that this room sends, as plain text, and whether they went out."""

import smtplib

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from mesassist.tenants.models import Invitation

log = structlog.get_logger(__name__)


def mail_invitation(*, invitation: Invitation, link: str, invited_by: str) -> bool:
    """Mail the link to whom it is for; False when no mail is set up or the server did not take it."""
    if not settings.MAIL_REACHES_PEOPLE:
        return False
    context = {"invitation": invitation, "link": link, "invited_by": invited_by, "tenant": invitation.tenant}
    subject = " ".join(render_to_string("people/email/invitation_subject.txt", context).split())
    body = render_to_string("people/email/invitation_message.txt", context)
    try:
        send_mail(subject, body, None, [invitation.email])
    except (OSError, smtplib.SMTPException) as error:
        log.warning("mail_not_sent", template="invitation", error=type(error).__name__)
        return False
    return True
