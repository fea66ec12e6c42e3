"""Calls of OpenAI-compatible servers: one asynchronous client that adapts its load, asks again within bounds and counts everything."""

from __future__ import annotations

from engine.verbalization.transport.budget import Budget, Prices
from engine.verbalization.transport.client import Policy, Transport, TransportReport
from engine.verbalization.transport.replies import Reply

__all__ = ["Budget", "Policy", "Prices", "Reply", "Transport", "TransportReport"]
