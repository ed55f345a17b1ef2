"""Answers that are made up, for tests of what a client does with them.

POST /__fault?status=503&code=202&count=2&delay_ms=0&match=INSERT: the next `count` queries that hold `match` get this
status and ClickHouse error code; status=0 drops the connection (Go's HTTP client sends once more by itself).
"""
import threading


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.waiting = []

    def add(self, parameters):
        fault = {
            "status": int(parameters.get("status", 500)), "code": parameters.get("code"), "count": int(parameters.get("count", 1)),
            "delay": float(parameters.get("delay_ms", 0)) / 1000, "match": parameters.get("match", "").lower(),
        }
        with self.lock:
            self.waiting = [f for f in self.waiting if f["count"] > 0] + [fault]

    def take(self, query):
        """The fault for this query, or None."""
        with self.lock:
            for fault in self.waiting:
                if fault["count"] > 0 and fault["match"] in query.lower():
                    fault["count"] -= 1
                    return fault
        return None
