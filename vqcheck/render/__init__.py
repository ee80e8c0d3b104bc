"""Snapshots and verdicts for people: rows and sentences first, then drawn as text."""
