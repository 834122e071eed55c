"""The embedded node's configuration: opensearch.yml, logging, and the Java command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opensearch.jdk import VECTOR_MODULE, Jdk
from opensearch.layout import VERSION
from opensearch.places import make_folder, write_new
from opensearch.privileges import User, hand_over
from shirabe.ports import LOOPBACK

CLUSTER_NAME = "shirabe"
# Up to here the serial collector: 270 MB less resident memory than G1 when idle with a heap of 768 MB.
SERIAL_MAX_HEAP_MB = 1024
MAIN_CLASS = "org.opensearch.bootstrap.OpenSearch"

_LOGGING = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:opensearch.logs.base_path}/node.log
appender.file.filePattern = ${sys:opensearch.logs.base_path}/node.%i.log.gz
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n%throwable{20}
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
logger.deprecation.name = org.opensearch.deprecation
logger.deprecation.level = error
"""


@dataclass(frozen=True)
class Folders:
    """Where one node keeps its things, all under `<state_dir>/opensearch`."""

    root: Path

    @property
    def config(self) -> Path:
        """Configuration; written anew at each start, except the keystore that the node makes."""
        return self.root / "config"

    @property
    def data(self) -> Path:
        """The indices."""
        return self.root / "data"

    @property
    def snapshots(self) -> Path:
        """Where snapshot repositories of the type `fs` may lie."""
        return self.root / "snapshots"

    @property
    def logs(self) -> Path:
        """Logs, at most about 30 MB."""
        return self.root / "logs"

    @property
    def tmp(self) -> Path:
        """Temporary files, emptied at each start."""
        return self.root / "tmp"

    @property
    def log_file(self) -> Path:
        """What the node logs."""
        return self.logs / "node.log"

    @property
    def console_file(self) -> Path:
        """What the Java process says outside of its log: start-up errors, crashes."""
        return self.logs / "console.log"

    @property
    def ports_file(self) -> Path:
        """Written by the node once it listens: one address a line."""
        return self.logs / "http.ports"

    def make(self, user: User) -> None:
        """Make the folders, closed to all but the engine's user. Raises: Unavailable."""
        make_folder(self.root)
        for folder in (self.config, self.data, self.snapshots, self.logs, self.tmp):
            make_folder(folder, 0o700)
            hand_over(folder, user)

    def clear(self) -> None:
        """Remove what an earlier run left for itself. Raises: OSError."""
        self.ports_file.unlink(missing_ok=True)
        for left in self.tmp.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()


def write_config(folders: Folders, port: int, heap_mb: int) -> None:
    """Write opensearch.yml and the logging configuration; `port` 0 lets the system choose one.

    Raises: OSError if it cannot be written.
    """
    settings: dict[str, object] = {
        "cluster.name": CLUSTER_NAME,
        "node.name": "embedded",
        "discovery.type": "single-node",
        "network.host": LOOPBACK,
        "http.port": port,
        "transport.port": 0,
        # The node writes the ports it got to the logs folder once it listens: no race for a port that was free a
        # moment ago, and the proof that it is our node that answers there.
        "node.portsfile": True,
        "path.data": str(folders.data),
        "path.repo": [str(folders.snapshots)],
        "path.logs": str(folders.logs),
        "action.auto_create_index": False,
        "http.max_content_length": "100mb",
        # Of the free space, not of the disk: a laptop's disk that is 90 % full is ordinary.
        "cluster.routing.allocation.disk.watermark.low": "3gb",
        "cluster.routing.allocation.disk.watermark.high": "2gb",
        "cluster.routing.allocation.disk.watermark.flood_stage": "1gb",
    }
    if heap_mb <= SERIAL_MAX_HEAP_MB:
        # The breaker on real heap use relies on G1: under the serial collector garbage counts until it is collected.
        settings["indices.breaker.total.use_real_memory"] = False
    # JSON is YAML, and quotes paths right.
    text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
    write_new(folders.config / "opensearch.yml", text, 0o644)
    write_new(folders.config / "log4j2.properties", _LOGGING, 0o644)


def java_command(jdk: Jdk, home: Path, folders: Folders, heap_mb: int, further: Sequence[str] = ()) -> list[str]:
    """Return the command line of the node. Of options given twice the JVM takes the last, so `further` wins."""
    vector = [f"--add-modules={VECTOR_MODULE}"] if VECTOR_MODULE in jdk.modules else []  # SIMD distance functions
    return [
        str(jdk.java),
        f"-Xms{heap_mb}m",
        f"-Xmx{heap_mb}m",
        f"-XX:MaxDirectMemorySize={heap_mb // 2}m",
        "-XX:+UseSerialGC" if heap_mb <= SERIAL_MAX_HEAP_MB else "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={folders.logs}/hs_err_%p.log",
        "-Xss1m",
        "--enable-native-access=ALL-UNNAMED",
        *vector,
        f"-javaagent:{home}/agent/opensearch-agent-{VERSION}.jar",
        f"-Dopensearch.path.home={home}",
        f"-Dopensearch.path.conf={folders.config}",
        "-Dopensearch.distribution.type=tar",
        "-Dopensearch.bundled_jdk=false",
        "-Dopensearch.networkaddress.cache.ttl=60",
        "-Dfile.encoding=UTF-8",
        "-Djava.locale.providers=SPI,CLDR",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={folders.tmp}",
        "-Djna.nosys=true",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "-Dlog4j2.formatMsgNoLookups=true",
        "-XX:-OmitStackTraceInFastThrow",
        *further,
        "-cp",
        f"{home}/lib/*",
        MAIN_CLASS,
    ]
