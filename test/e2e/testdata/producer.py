"""Sends one event of each kind with the OpenTelemetry Python SDK.

usage: producer.py http|grpc ENDPOINT
"""

import sys
import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

protocol, endpoint = sys.argv[1:3]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(endpoint=endpoint, insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(endpoint=endpoint)

provider = LoggerProvider(resource=Resource.create({"service.name": "shop-python"}))
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("shop")


def emit(event, attributes, body=None, severity=SeverityNumber.INFO):
    logger.emit(
        LogRecord(
            timestamp=time.time_ns(),
            event_name=event,
            severity_number=severity,
            body=body,
            attributes=attributes,
        )
    )


emit(
    "activity.crud",
    {
        "activity.crud.type": "update",
        "user.id": "42",
        "activity.object.type": "shop.order",
        "activity.object.id": "1001",
        "activity.object.before": '{"state":"new"}',
        "activity.object.after": '{"state":"paid"}',
    },
)
emit(
    "activity.login",
    {"activity.login.type": "login_failed", "user.name": "eve", "client.address": "203.0.113.9"},
)
emit(
    "activity.request",
    {
        "http.request.method": "GET",
        "url.path": "/orders/1001",
        "http.response.status_code": 503,
        "activity.http.duration_ms": 12.3456,
        "http.request.header.authorization": "Bearer not.a.token",
    },
)
emit(
    "activity.cors",
    {
        "url.full": "https://app.example/cart",
        "activity.cors.origin": "https://app.example",
        "activity.cors.allowed": False,
    },
)
emit(
    "activity.system",
    {"activity.system.name": "backup.failed", "activity.system.category": "database", "my.own": "kept"},
    body="disk full",
    severity=SeverityNumber.ERROR,
)
emit(None, {}, body="cache miss", severity=SeverityNumber.DEBUG)
provider.shutdown()
