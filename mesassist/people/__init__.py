"""People: who comes in and how they prove it; invitations, roles, second factors, sessions."""
