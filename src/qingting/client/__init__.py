"""A client of the service: submit calls, wait for reports, search, export, watch.

    from qingting.client import QingtingClient

    with QingtingClient("https://quality.example.com", "qt_…") as client:
        result = client.inspect("call.wav", call={"line_of_business": "ecommerce", "agent_id": "A1017"})
        print(result.report["score"]["total"])

Errors are those of `qingting.errors`, as the service raised them; requests that the service asks to send again
later are sent again, and those that make something carry an idempotency key, so that nothing is made twice.
"""

from __future__ import annotations

from qingting.client.results import Batch, Event, Inspection, Job
from qingting.client.service_client import QingtingClient

__all__ = ["Batch", "Event", "Inspection", "Job", "QingtingClient"]
