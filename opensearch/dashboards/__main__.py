"""`python -m opensearch.dashboards` writes the saved objects as NDJSON, for importing them by hand."""

import sys

from opensearch.dashboards import dashboard_objects
from shirabe.settings import load_settings

if __name__ == "__main__":
    sys.stdout.buffer.write(dashboard_objects(load_settings().opensearch.alias))
