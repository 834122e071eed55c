"""What a command imports before it does anything: a sync without changes is mostly that."""

import subprocess
import sys

PARSERS = ("tokenizers", "tree_sitter", "markdown_it", "yaml", "openapi_spec_validator", "jsonschema_path", "openpyxl")
SERVERS = ("fastapi", "uvicorn", "torch", "transformers", "ray", "onnxruntime", "jgo", "cjdk")

IMPORTED = """
import sys
import shirabe.cli, shirabe.cli.compose
print(*sys.modules)
"""


def test_a_sync_imports_no_parser_and_no_server_before_it_needs_one() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=120, check=True)
    loaded = set(done.stdout.split())
    assert {"ingest.job", "opensearchpy"} <= loaded, "the job itself is there"
    assert loaded.isdisjoint(PARSERS + SERVERS)
