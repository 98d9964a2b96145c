"""What this server counts, and the token for reading it; `metrics` answers, and loads the store for that."""

from __future__ import annotations

import os
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, PlatformCollector, ProcessCollector

SHORTEST = 16  # characters of a token

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

BYTES = Counter("lstm_lab_stream_bytes", "Bytes sent to viewers of live runs.", registry=REGISTRY)
SKIPPED = Counter(
    "lstm_lab_skipped_pictures", "Pictures that slow viewers were not sent, newer ones instead.", registry=REGISTRY
)
RECONNECTS = Counter("lstm_lab_reconnects", "Viewers who came back and said how far they were.", registry=REGISTRY)
RERUNS = Counter("lstm_lab_page_reruns", "How often a page was drawn anew for somebody.", registry=REGISTRY)
ERRORS = Counter("lstm_lab_errors", "Pages and requests that failed unexpectedly.", registry=REGISTRY)
REFUSED = Counter(
    "lstm_lab_refused_actions", "Wishes that the one who had them may not have.", ["action"], registry=REGISTRY
)
TURNED_AWAY = Counter("lstm_lab_turned_away_requests", "Requests refused at the door.", ["status"], registry=REGISTRY)


def refused(action: str) -> None:
    """Count that somebody was not allowed to do this; `action` is one of the program's own names."""
    REFUSED.labels(action).inc()


def token(environment: Mapping[str, str] = os.environ) -> str:
    """LSTM_LAB_METRICS; raises ValueError for a token that is too easily guessed."""
    given = environment.get("LSTM_LAB_METRICS", "").strip()
    if given not in ("", "open") and len(given) < SHORTEST:
        raise ValueError(
            f"LSTM_LAB_METRICS has {len(given)} characters; a token needs at least {SHORTEST}, or say open."
        )
    return given
