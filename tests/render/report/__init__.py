"""Tests of what the checker's verdict looks like."""
