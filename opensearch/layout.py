"""What the embedded node is made of: the folders of an OpenSearch home and the Maven artifacts that fill them.

OpenSearch publishes its core, modules and plugins as Maven artifacts, but no distribution. A distribution is folders of
jars: `lib`, `agent` (the Java agent that replaces the security manager; start-up dies without it), `modules/NAME` and
`plugins/NAME`. Modules are published without the descriptor that the engine wants, so it is written here.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "3.6.0"
PLUGIN_VERSION = "3.6.0.0"
LUCENE_VERSION = "10.4.0"
# analysis-kuromoji was published as a jar for 3.8.0 only. Its classes work on 3.6.0 with the Lucene half of the core's
# own version and a descriptor that says 3.6.0.
KUROMOJI_VERSION = "3.8.0"

CORE = "core"
ML_COMMONS = "ml-commons"

_PLUGIN_GROUP = "org.opensearch.plugin"


@dataclass(frozen=True)
class Root:
    """An artifact that is asked for by name; `transitive` brings what it needs at run time."""

    folder: str
    group: str
    artifact: str
    version: str
    packaging: str = "jar"
    transitive: bool = True
    part: str = CORE


@dataclass(frozen=True)
class Descriptor:
    """A `plugin-descriptor.properties` that the published artifact lacks."""

    folder: str
    classname: str
    extends: str = ""

    @property
    def text(self) -> str:
        """The file's content."""
        name = self.folder.rpartition("/")[2]
        return (
            f"description={name}\nversion={VERSION}\nname={name}\nclassname={self.classname}\njava.version=21\n"
            f"opensearch.version={VERSION}\ncustom.foldername=\nextended.plugins={self.extends}\n"
            "has.native.controller=false\n"
        )


def _module(name: str, artifact: str, classname: str, extends: str = "") -> tuple[Root, Descriptor]:
    folder = f"modules/{name}"
    return Root(folder, _PLUGIN_GROUP, artifact, VERSION), Descriptor(folder, f"org.opensearch.{classname}", extends)


_MODULES = (
    _module("transport-netty4", "transport-netty4-client", "transport.Netty4ModulePlugin"),
    _module("transport-grpc", "transport-grpc", "transport.grpc.GrpcPlugin"),  # opensearch-knn extends it
    _module("mapper-extras", "mapper-extras-client", "index.mapper.MapperExtrasModulePlugin"),
    _module("analysis-common", "analysis-common", "analysis.common.CommonAnalysisModulePlugin", "lang-painless"),
    _module("lang-painless", "lang-painless", "painless.PainlessModulePlugin"),  # opensearch-knn extends it
    _module("reindex", "reindex-client", "index.reindex.ReindexModulePlugin"),
    _module("ingest-common", "ingest-common", "ingest.common.IngestCommonModulePlugin", "lang-painless"),
    _module(
        "search-pipeline-common",
        "search-pipeline-common",
        "search.pipeline.common.SearchPipelineCommonModulePlugin",
    ),
    _module("parent-join", "parent-join-client", "join.ParentJoinModulePlugin"),
    _module("lang-mustache", "lang-mustache-client", "script.mustache.MustacheModulePlugin"),
    _module(
        "aggs-matrix-stats",
        "aggs-matrix-stats-client",
        "search.aggregations.matrix.MatrixAggregationModulePlugin",
    ),
)

_KUROMOJI_FOLDER = "plugins/analysis-kuromoji"
_ML_FOLDER = "plugins/opensearch-ml-plugin"

ROOTS: tuple[Root, ...] = (
    Root("lib", "org.opensearch", "opensearch", VERSION),
    Root("lib", "org.opensearch", "opensearch-plugin-classloader", VERSION),
    Root("lib", "org.opensearch", "opensearch-launchers", VERSION),
    Root("lib", "org.apache.logging.log4j", "log4j-core", "2.25.3"),
    Root("agent", "org.opensearch", "opensearch-agent", VERSION),
    Root("agent", "org.opensearch", "opensearch-agent-bootstrap", VERSION),
    *(root for root, _ in _MODULES),
    Root(_KUROMOJI_FOLDER, _PLUGIN_GROUP, "analysis-kuromoji", KUROMOJI_VERSION, transitive=False),
    Root(_KUROMOJI_FOLDER, "org.apache.lucene", "lucene-analysis-kuromoji", LUCENE_VERSION, transitive=False),
    Root("plugins/opensearch-job-scheduler", _PLUGIN_GROUP, "opensearch-job-scheduler", PLUGIN_VERSION, "zip", False),
    Root("plugins/opensearch-knn", _PLUGIN_GROUP, "opensearch-knn", PLUGIN_VERSION, "zip", False),
    Root("plugins/neural-search", _PLUGIN_GROUP, "neural-search", PLUGIN_VERSION, "zip", False),
    Root(_ML_FOLDER, _PLUGIN_GROUP, "opensearch-ml-plugin", PLUGIN_VERSION, "zip", False, ML_COMMONS),
    # In production the security plugin brings bouncycastle; without it the node dies at the first ml-commons connector.
    Root(_ML_FOLDER, "org.bouncycastle", "bcprov-jdk18on", "1.83", "jar", False, ML_COMMONS),
)

DESCRIPTORS: tuple[Descriptor, ...] = (
    *(descriptor for _, descriptor in _MODULES),
    Descriptor(_KUROMOJI_FOLDER, "org.opensearch.plugin.analysis.kuromoji.AnalysisKuromojiPlugin"),
)

# The engine wants these to exist and may not create them: the home is not writable by the user it runs as.
EMPTY_FOLDERS: tuple[str, ...] = ("bin",)
