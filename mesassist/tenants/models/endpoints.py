"""Endpoints: what platform staff have approved to be called inside the plants' own networks, and what was asked for."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from mesassist.tenants.models.accounts import Tenant, User
from mesassist.tenants.scope import TenantModel

PORTS = (MinValueValidator(1), MaxValueValidator(65_535))


class Purpose(models.TextChoices):
    """What an endpoint is called for."""

    MODEL = "model", "language model"
    REGISTRY = "registry", "schema registry"
    KAFKA = "kafka", "Kafka broker"
    WEBHOOK = "webhook"
    IDENTITY = "identity", "sign-in (OIDC)"


class ApprovedEndpoint(models.Model):
    """One host and port that may be called though it is not a public HTTPS service; made by platform staff alone.

    The database lets no other role write here. What is never to be called stays so, whatever stands in this table.
    """

    tenant: "models.ForeignKey[Tenant | None, Tenant | None]" = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: for every tenant."
    )
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    host = models.CharField(max_length=253, help_text="Exactly as in the address: a name, or an IP address.")
    port = models.PositiveIntegerField(validators=PORTS)
    network = models.CharField(
        "address",
        max_length=49,
        help_text="Where the host leads to: an IP address, or a narrow range like 10.0.0.0/28.",
    )
    ca_pem = models.TextField("CA certificate (PEM)", blank=True, help_text="Empty: the usual authorities.")
    note = models.CharField(max_length=200, blank=True)
    approved_by: "models.ForeignKey[User | None, User | None]" = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    approved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["host", "port", "purpose"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "purpose", "host", "port", "network"],
                name="approved_endpoint_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=models.Q(port__range=(1, 65_535)), name="approved_port_exists"),
            models.CheckConstraint(condition=~models.Q(network=""), name="approved_address_named"),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port} ({self.get_purpose_display()})"


class ProposalState(models.TextChoices):
    """What became of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"


class EndpointProposal(TenantModel):
    """A tenant's wish to have an endpoint approved, with what its name led to when it was made."""

    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(validators=PORTS)
    addresses = ArrayField(models.CharField(max_length=45), default=list, help_text="What the host led to.")
    state = models.CharField(max_length=8, choices=ProposalState.choices, default=ProposalState.OPEN)
    proposed_by: "models.ForeignKey[User | None, User | None]" = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    proposed_at = models.DateTimeField()
    decided_by: "models.ForeignKey[User | None, User | None]" = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-proposed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "purpose", "host", "port"],
                condition=models.Q(state="open"),
                name="endpoint_proposed_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port} ({self.get_purpose_display()})"
