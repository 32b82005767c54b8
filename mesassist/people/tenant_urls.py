"""Addresses of the people room under /t/<tenant>/."""

from django.urls import path

from mesassist.people import company, company_pages, pages

app_name = "people"
urlpatterns = [
    path("people/", pages.people, name="people"),
    path("sign-in/", company.sign_in_here, name="sign-in-here"),
    path("sign-in/company/", company.go, name="company-go"),
    path("sign-in/company/back/", company.back, name="company-back"),
    path("people/sign-in/", company_pages.company_sign_in, name="company-sign-in"),
    path("people/policy/", pages.policy, name="policy"),
    path("people/invitations/<int:invitation_id>/resend/", pages.resend, name="invitation-resend"),
    path("people/invitations/<int:invitation_id>/withdraw/", pages.withdraw, name="invitation-withdraw"),
    path("people/<int:membership_id>/role/", pages.role, name="member-role"),
    path("people/<int:membership_id>/remove/", pages.remove, name="member-remove"),
]
