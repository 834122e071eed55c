"""The Confluence collector, for Cloud and Data Center, and what its webhooks say."""

from ingest.collectors.confluence.collector import ConfluenceCollector
from ingest.collectors.confluence.snapshot import snapshot_folder
from ingest.collectors.confluence.webhooks import LookAgain, events_of, remember

__all__ = ["ConfluenceCollector", "LookAgain", "events_of", "remember", "snapshot_folder"]
