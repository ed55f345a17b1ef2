#!/usr/bin/env python3
"""Write canonical.json: vectors of canonical encoding version 1.

An implementation of its own: it shares nothing with the Go code but the
published schema. CBOR comes from cbor2, SHA-256 from hashlib.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install cbor2
    /tmp/venv/bin/python vectors.py > canonical.json

Each vector holds
  input       columns as given; text as {"hex": ...} where JSON cannot carry it
  units       degrees and milliseconds, converted into columns before the rest
  normalised  the columns that are hashed and stored
  salts       as stored, zero for an empty group
  personal, content, event   the canonical maps (empty groups: "")
  commitments, hash          as stored
Bytes are hex. The limits are the defaults.
"""
import hashlib
import json
import math
import sys
from decimal import ROUND_HALF_UP, Decimal

import cbor2

VERSION = 1
EVENT = {
    "schema_version": 1, "id": 2, "kind": 3, "datetime_ns": 4, "received_ns": 5, "tenant_id": 6, "type": 7,
    "allowed": 8, "severity_number": 9, "service": 10, "content_type": 11, "action": 12, "method": 13, "route": 14,
    "response_status": 15, "response_time_us": 16, "request_body_size": 17, "response_body_size": 18,
    "trace_id": 19, "span_id": 20, "producer": 21, "producer_seq": 22, "actor_type": 23, "auth_method": 24,
    "flags": 25, "auth_verified": 26, "auth_issuer": 27, "auth_key_id": 28, "category": 29, "source": 30,
    "origin": 31, "truncated_fields": 32, "outcome": 35,
}
COMMITMENT_KEYS = (33, 34)
PERSONAL = {name: key for key, name in enumerate((
    "user_id", "username", "user_email", "session_key", "remote_ip", "user_agent", "browser", "platform",
    "operating_system", "country_code", "country", "region_code", "city", "latitude_e7", "longitude_e7", "url",
    "query_string", "on_behalf_of", "object_id", "user_roles"), 1)}
CONTENT = {name: key for key, name in enumerate((
    "object_repr", "object_json_repr", "changed_fields", "extra_data", "message", "traceback", "reason"), 1)}

OPTIONAL = {  # name: (bias, least, greatest)
    "response_time_us": (1, 0, 2**53), "request_body_size": (1, 0, 2**53), "response_body_size": (1, 0, 2**53),
    "latitude_e7": (900_000_001, -900_000_000, 900_000_000),
    "longitude_e7": (1_800_000_001, -1_800_000_000, 1_800_000_000),
}
INTEGERS = {"schema_version", "datetime_ns", "received_ns", "allowed", "severity_number", "response_status",
            "producer_seq", "flags"}
RAW = {"id", "trace_id", "span_id"}
JSON_TEXT = {"user_roles", "object_json_repr", "changed_fields", "extra_data"}
LIMITS = {"url": 2048, "user_agent": 2048, "query_string": 4096, "origin": 512, "source": 512, "object_repr": 512,
          "reason": 512, "message": 65535, "traceback": 65535, **dict.fromkeys(JSON_TEXT, 65535)}
TRUNCATED = 1  # the flag


def clean(raw: bytes) -> str:
    """Each run of invalid UTF-8 and each U+0000 becomes U+FFFD."""
    out, at, broken = [], 0, False
    while at < len(raw):
        for size in (1, 2, 3, 4):
            try:
                char = raw[at:at + size].decode("utf-8", "strict")
            except UnicodeDecodeError:
                continue
            if len(char) == 1 and len(raw[at:at + size]) == size:
                break
        else:
            if not broken:
                out.append("\ufffd")
            broken, at = True, at + 1
            continue
        out.append("\ufffd" if char == "\0" else char)
        broken, at = False, at + size
    return "".join(out)


def cut(text: str, limit: int) -> str:
    """The longest prefix of whole characters within limit bytes."""
    size = 0
    for n, char in enumerate(text):
        size += len(char.encode())
        if size > limit:
            return text[:n]
    return text


def is_json(text: str) -> bool:
    def refuse(name):
        raise ValueError(name)
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def normalise(columns: dict) -> dict:
    out, truncated = {}, set()
    for name, value in columns.items():
        if name in OPTIONAL:
            _, least, greatest = OPTIONAL[name]
            if value is not None and least <= value <= greatest:
                out[name] = value
        elif name in INTEGERS:
            if name == "severity_number" and not 1 <= value <= 24 or name == "allowed" and value not in (1, 2):
                value = 0
            if value:
                out[name] = value
        elif name in RAW:
            if any(value):
                out[name] = value
        elif name not in ("kind", "truncated_fields"):
            text = clean(value)
            limit = LIMITS.get(name, 255)
            if text and name in JSON_TEXT:
                if not is_json(text):
                    text = json.dumps(text, ensure_ascii=False)
                if len(text.encode()) > limit:
                    size, digest = len(text.encode()), hashlib.sha256(text.encode()).hexdigest()
                    text = '{"_truncated":%d,"_sha256":"%s"}' % (size, digest)
                    truncated.add(name)
            elif len(text.encode()) > limit:
                text = cut(text, limit)
                truncated.add(name)
            if text:
                out[name] = text
    out["kind"] = columns["kind"]
    before = set(filter(None, columns.get("truncated_fields", "").split(",")))
    if before | truncated:
        out["truncated_fields"] = ",".join(sorted(before | truncated))
    if truncated:
        out["flags"] = out.get("flags", 0) | TRUNCATED
    return out


def scale(value: float, factor: float, limit: float, least: float):
    """value x factor, rounded half away from zero once; None out of range."""
    if math.isnan(value) or not least <= value <= limit:
        return None
    return int(Decimal(value * factor).to_integral_value(ROUND_HALF_UP))


def encode(columns: dict, keys: dict, extra=()) -> bytes:
    pairs = {keys[n]: v + OPTIONAL[n][0] if n in OPTIONAL else v for n, v in columns.items() if n in keys}
    pairs.update(extra)
    return cbor2.dumps(dict(sorted(pairs.items())), canonical=True)


def vector(name: str, columns: dict, units=None) -> dict:
    given = {n: v.encode() if isinstance(v, str) and n not in ("kind", "truncated_fields") else v
             for n, v in columns.items()}
    for unit, value in (units or {}).items():
        column, factor, limit, least = {
            "latitude_degrees": ("latitude_e7", 1e7, 90.0, -90.0),
            "longitude_degrees": ("longitude_e7", 1e7, 180.0, -180.0),
            "response_time_ms": ("response_time_us", 1e3, float(2**53), 0.0),
        }[unit]
        given[column] = scale(value, factor, limit, least)
    row = normalise(given)
    row["schema_version"] = VERSION
    salts, commitments, maps, extra = b"", b"", [], {}
    for number, keys in ((1, PERSONAL), (2, CONTENT)):
        salt = hashlib.sha256(f"{name}/{number}".encode()).digest()[:16]
        group = encode(row, keys)
        if group == b"\xa0":
            salt, commitment, group = bytes(16), bytes(32), b""
        else:
            commitment = hashlib.sha256(b"\x02" + bytes([number]) + salt + group).digest()
            extra[COMMITMENT_KEYS[number - 1]] = commitment
        salts, commitments = salts + salt, commitments + commitment
        maps.append(group)
    event = encode(row, EVENT, extra)

    def show(value):
        if isinstance(value, bytes):
            try:
                text = value.decode()
            except UnicodeDecodeError:
                return {"hex": value.hex()}
            return text
        return value
    return {
        "name": name,
        "input": {n: v.hex() if n in RAW else show(v) for n, v in given.items() if v is not None and
                  not (units and n in ("latitude_e7", "longitude_e7", "response_time_us"))},
        **({"units": units} if units else {}),
        "normalised": {n: v.hex() if n in RAW else v for n, v in row.items()},
        "salts": salts.hex(), "personal": maps[0].hex(), "content": maps[1].hex(), "event": event.hex(),
        "commitments": commitments.hex(), "hash": hashlib.sha256(event).hexdigest(),
    }


ID = bytes.fromhex("0190b5a0c0de7abc8def0123456789ab")
WHEN = 1_790_000_000_123_456_789


def base(kind: str, **columns) -> dict:
    return {"id": ID, "kind": kind, "datetime_ns": WHEN, "received_ns": WHEN + 1000, **columns}


def full() -> dict:
    """Every column of every map, so that every key above 23 is there."""
    columns = {n: f"{n} value" for n in (*EVENT, *PERSONAL, *CONTENT) if n not in OPTIONAL}
    columns.update({n: json.dumps({"of": n}) for n in JSON_TEXT})
    columns.update({n: 7 for n in OPTIONAL})
    columns.update(base("system"), allowed=2, severity_number=17, response_status=503, producer_seq=9, flags=15,
                   trace_id=bytes(range(1, 17)), span_id=bytes(range(1, 9)), truncated_fields="message,url")
    del columns["schema_version"]
    return columns


def vectors():
    yield vector("crud", base(
        "crud", type="update", tenant_id="acme", action="invoice.approved", content_type="billing.invoice",
        object_id="4711", object_repr="Invoice 4711", changed_fields='{"state": ["draft", "approved"]}', user_id="17"))
    yield vector("login", base(
        "login", type="login_failed", outcome="failure", reason="bad password", username="ada", remote_ip="2001:db8::1"))
    yield vector("request", base(
        "request", method="GET", url="/invoices/", query_string="page=2", route="/invoices/", response_status=200,
        response_time_us=12345, response_body_size=2048, trace_id=bytes(range(16)), span_id=bytes(range(8))))
    yield vector("cors", base(
        "cors", method="OPTIONS", url="https://app.example.org/", origin="https://app.example.org", allowed=1))
    yield vector("system", base(
        "system", type="worker.started", category="queue", source="celery", message="ready", severity_number=9))
    yield vector("every column", full())
    yield vector("both groups empty", base("request", method="GET"))
    yield vector("personal group empty", base("system", message="m"))
    yield vector("content group empty", base("login", user_id="1"))
    yield vector("one column of no name", {"id": ID, "kind": "crud"})
    for value in (1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1,
                  -1, -24, -25, -256, -257, -65536, -65537, -2**32, -2**32 - 1, -2**63):
        yield vector(f"integer {value}", base("system", producer_seq=value))
    yield vector("datetime before 1970", base("system") | {"datetime_ns": -1})
    for size in (1, 23, 24, 255, 256):
        yield vector(f"text of {size} bytes", base("system", message="x" * size))
    yield vector("emoji", base("crud", username="\U0001f469\u200d\U0001f680", object_repr="\U0001f1e9\U0001f1ea"))
    yield vector("combining mark", base("crud", username="e\u0301", user_email="\u00e9"))
    yield vector("surrounding space and case", base("crud", username="  Ada \t", action="\u0130"))
    yield vector("NUL", base("crud", username="a\0b", message="\0\0"))
    yield vector("NUL in JSON", base("crud", extra_data='{"a":"\0"}'))
    yield vector("escaped NUL in JSON is opaque", base("crud", extra_data='{"a":"\\u0000"}'))
    yield vector("invalid UTF-8", base("crud", username=b"a\xff\xfeb\xc3", message=b"\xed\xa0\x80 lone surrogate"))
    yield vector("overlong and cut sequences", base("crud", username=b"\xc0\xaf\xe2\x82", message=b"\xf4\x90\x80\x80"))
    yield vector("invalid UTF-8 in JSON", base("crud", extra_data=b'{"a":"\xff"}'))
    yield vector("not JSON", base("crud", changed_fields='he said "no"\n', user_roles="admin"))
    yield vector("numbers in JSON are opaque", base("crud", extra_data='{"b":1.0, "a":18446744073709551615,"b":1e400}'))
    yield vector("truncated at a character", base("crud", username="x" * 254 + "\u00e9", url="\u20ac" * 1000))
    yield vector("truncated after repair", base("crud", username=b"\xff".join([b"x"] * 150)))
    yield vector("limit met", base("crud", username="x" * 255, reason="r" * 512, query_string="q" * 4096))
    yield vector("limit passed", base("crud", username="x" * 256, reason="r" * 513, query_string="q" * 4097))
    yield vector("content truncated", base("system", message="\U0001f600" * 16384, extra_data=json.dumps("y" * 65536)))
    yield vector("truncated before and now", base("crud", username="x" * 300, truncated_fields="url", flags=1))
    yield vector("0", base("request", response_time_us=0, request_body_size=0, response_body_size=0,
                           latitude_e7=0, longitude_e7=0, allowed=0, severity_number=0, response_status=0))
    yield vector("null", base("request"))
    yield vector("empty text", base("request", username="", message="", extra_data=""))
    yield vector("zero trace", base("request", trace_id=bytes(16), span_id=bytes(8)))
    yield vector("optional: least", base("request", latitude_e7=-900_000_000, longitude_e7=-1_800_000_000))
    yield vector("optional: greatest", base("request", latitude_e7=900_000_000, longitude_e7=1_800_000_000,
                                            response_time_us=2**53, request_body_size=2**53))
    yield vector("optional: out of range", base("request", latitude_e7=-900_000_001, longitude_e7=1_800_000_001,
                                                response_time_us=2**53 + 1, request_body_size=-1))
    yield vector("severity and allowed out of range", base("request", severity_number=25, allowed=3))
    for degrees in (0.0, -0.0, 5e-8, -5e-8, 4.9e-8, 1.5e-7, -1.5e-7, 2.5e-7, 0.00000025, 51.47787654321, -33.8688197,
                    89.99999995, 90.0, -90.0, 90.00000001):
        yield vector(f"degrees {degrees!r}", base("request"),
                     {"latitude_degrees": degrees, "longitude_degrees": -2 * degrees})
    for ms in (0.0, -0.0, 0.0005, 0.0015, 0.0025, 0.00049999, 12.3455, 1e9, -0.001):
        yield vector(f"milliseconds {ms!r}", base("request"), {"response_time_ms": ms})


json.dump(list(vectors()), sys.stdout, ensure_ascii=True, indent=1)
print()
