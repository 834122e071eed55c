"""The collector of issues and pull requests, of GitHub, GitLab and exports, and what their webhooks say."""

from ingest.collectors.issues.collector import IssuesCollector
from ingest.collectors.issues.snapshot import issues_folder
from ingest.collectors.issues.webhooks import events_of, remember

__all__ = ["IssuesCollector", "events_of", "issues_folder", "remember"]
