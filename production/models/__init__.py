"""Models: the nouns of a plant, one file per family."""

from production.models.correction import Correction, Implausible, SourceRank
from production.models.event import Event, EventKey, EventKind
from production.models.imports import ImportRun, ImportStatus, Upload, UploadChunk
from production.models.kafka import (
    DecodeMark,
    KafkaPartition,
    KafkaSource,
    KnownSchema,
    PartitionState,
    Payload,
    SaslMechanism,
    Security,
)
from production.models.master import (
    FileMapping,
    IdealCycle,
    Line,
    LossClass,
    Machine,
    Product,
    Reason,
    Shift,
    Site,
    WorkOrder,
)
from production.models.quarantine import Quarantined, QuarantineStatus
from production.models.rollup import Coverage, DailyLoss, DailyRollup, DirtyRange, LossRollup, Rollup, State
from production.models.selfcheck import SelfCheck
from production.models.summary import Compare, GroupBy, Metric, Summary, Window

__all__ = [
    "Compare",
    "Correction",
    "Coverage",
    "DailyLoss",
    "DailyRollup",
    "DecodeMark",
    "DirtyRange",
    "Event",
    "EventKey",
    "EventKind",
    "FileMapping",
    "GroupBy",
    "IdealCycle",
    "Implausible",
    "ImportRun",
    "ImportStatus",
    "KafkaPartition",
    "KafkaSource",
    "KnownSchema",
    "Line",
    "LossClass",
    "LossRollup",
    "Machine",
    "Metric",
    "PartitionState",
    "Payload",
    "Product",
    "QuarantineStatus",
    "Quarantined",
    "Reason",
    "Rollup",
    "SaslMechanism",
    "Security",
    "SelfCheck",
    "Shift",
    "Site",
    "SourceRank",
    "State",
    "Summary",
    "Upload",
    "UploadChunk",
    "Window",
    "WorkOrder",
]
