"""Judged queries, metrics, arms."""
