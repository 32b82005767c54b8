"""Kafka: which topics belong to which tenant, how far each partition is read, and which schemas are known."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from mesassist.tenants.scope import TenantModel
from mesassist.tenants.secrets import SealedField


class Payload(models.TextChoices):
    """What the records of a topic are."""

    JSON = "json", "JSON events"
    AVRO = "avro", "Avro events (Confluent wire format)"
    UMH = "umh", "United Manufacturing Hub messages"
    SPARKPLUG = "sparkplug", "Sparkplug B as JSON"
    PACKML = "packml", "PackML tags as JSON"


class Security(models.TextChoices):
    """How the broker is spoken to."""

    PLAINTEXT = "PLAINTEXT", "plain"
    SSL = "SSL", "TLS"
    SASL_PLAINTEXT = "SASL_PLAINTEXT", "password without TLS"
    SASL_SSL = "SASL_SSL", "password over TLS"


class SaslMechanism(models.TextChoices):
    """How the password is shown to the broker."""

    PLAIN = "PLAIN", "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256", "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512", "SCRAM-SHA-512"


class KafkaSource(TenantModel):
    """A topic bound to a tenant by configuration, never by what its records say. The name is the events' source."""

    name = models.CharField(max_length=64)
    topic = models.CharField(max_length=249)
    bootstrap_servers = models.CharField(max_length=500, help_text="host:port, several with commas between.")
    payload = models.CharField(max_length=10, choices=Payload.choices, default=Payload.JSON)
    security = models.CharField(max_length=16, choices=Security.choices, default=Security.PLAINTEXT)
    sasl_mechanism = models.CharField(max_length=16, choices=SaslMechanism.choices, blank=True)
    sasl_username = models.CharField(max_length=200, blank=True)
    sasl_password = SealedField(blank=True, editable=False)
    ca_pem = models.TextField("broker's CA (PEM)", blank=True)
    registry_url = models.CharField("schema registry", max_length=300, blank=True)
    registry_username = models.CharField(max_length=200, blank=True)
    registry_password = SealedField(blank=True, editable=False)
    subjects = ArrayField(
        models.CharField(max_length=255), default=list, blank=True, help_text="Empty: the topic's own (-value)."
    )
    dead_letter_topic = models.CharField(max_length=249, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    looked_at = models.DateTimeField("last looked after", null=True, editable=False)
    problem = models.TextField(blank=True, editable=False, help_text="Why nothing is read at the moment.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="kafka_source_name"),
            # Across tenants on purpose: one topic can feed one plant only.
            models.UniqueConstraint(fields=["bootstrap_servers", "topic"], name="kafka_topic_of_one_tenant"),
        ]

    def __str__(self) -> str:
        return self.name


class PartitionState(models.TextChoices):
    """What a partition's reader is doing."""

    READING = "reading"
    PAUSED = "paused", "paused (database out of reach)"
    WAITING = "waiting", "waiting (schema registry out of reach)"
    STOPPED = "stopped", "stopped (too many bad records)"
    LEFT = "left", "left to another consumer"


class KafkaPartition(TenantModel):
    """How far one partition is read; what the status page and the metrics show. Counts are since the beginning."""

    source = models.ForeignKey(KafkaSource, on_delete=models.CASCADE, related_name="partitions")
    partition = models.PositiveIntegerField()
    committed = models.BigIntegerField(default=0, help_text="The next offset to read.")
    newest = models.BigIntegerField(default=0, help_text="The broker's next offset: lag is newest - committed.")
    records = models.PositiveBigIntegerField(default=0)
    accepted = models.PositiveBigIntegerField(default=0)
    duplicate = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    rate = models.FloatField(default=0, help_text="Records per second, lately.")
    state = models.CharField(max_length=8, choices=PartitionState.choices, default=PartitionState.READING)
    detail = models.TextField(blank=True)
    reader = models.CharField(max_length=120, blank=True, help_text="Host and process.")
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["source", "partition"]
        constraints = [models.UniqueConstraint(fields=["tenant", "source", "partition"], name="kafka_partition_once")]

    def __str__(self) -> str:
        return f"partition {self.partition} of source {self.source_id}"


class DecodeMark(TenantModel):
    """Written before records are decoded, gone afterwards: one that is still there at a start tells of a crash."""

    source = models.ForeignKey(KafkaSource, on_delete=models.CASCADE, related_name="+")
    partition = models.PositiveIntegerField()
    first_offset = models.BigIntegerField()
    last_offset = models.BigIntegerField()
    crashes = models.PositiveSmallIntegerField(default=0)
    began_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "source", "partition"], name="decode_mark_once")]

    def __str__(self) -> str:
        return f"offsets {self.first_offset} to {self.last_offset} of partition {self.partition}"


class KnownSchema(TenantModel):
    """A schema that the registry gave out once; ids never change meaning, so it need not be asked again."""

    source = models.ForeignKey(KafkaSource, on_delete=models.CASCADE, related_name="schemas")
    schema_id = models.PositiveIntegerField()
    subject = models.CharField(max_length=255, blank=True)
    definition = models.TextField()
    refused = models.TextField(blank=True, help_text="Why records of this schema are not decoded.")
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "source", "schema_id"], name="known_schema_once")]

    def __str__(self) -> str:
        return f"schema {self.schema_id} of source {self.source_id}"
