"""What `shirabe index` prints of generations, of what a build did, a comparison and a switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table

from shirabe.cli.output import out, print_json
from shirabe.cli.write_commands import SHOWN_FAILURES

if TYPE_CHECKING:
    from shirabe.cli.generation_build import BuildReport
    from shirabe.cli.generation_check import VerifyReport
    from shirabe.cli.generation_switch import Row, Switched


def print_row(row: Row) -> None:
    """Print a generation."""
    made = f"{escape(row.model)}, {row.dim} dimensions, chunker {row.chunker_version}, analyzer {row.analyzer_version}"
    made += f", vectors {row.compression} smaller" if row.compression != "1x" else ""
    made += ", Japanese by Sudachi" if row.japanese == "sudachi" else ""
    made += f", user dictionary {row.user_dictionary}" if row.user_dictionary else ""
    holds = f"{row.documents} documents, {row.chunks} chunks, {row.bytes / 1e6:.1f} MB"
    became = [f"built {_when(row.built)}"] if row.built else []
    if row.verified:
        became.append(f"{'passed' if row.passed else 'failed'} the gate {_when(row.verified)}")
    if row.promoted:
        became.append(f"promoted {_when(row.promoted)}{' by force' if row.forced else ''}")
    out.print(f"[bold]{row.name}[/]  [cyan]{row.state}[/]", highlight=False)
    out.print(f"    {made}", highlight=False)
    out.print(f"    {holds}" + (f", [yellow]{row.behind} documents behind[/]" if row.behind else ""), highlight=False)
    if row.together:
        out.print(f"    switched together with {row.together}", highlight=False)
    if became:
        out.print(f"    {', '.join(became)}", highlight=False)


def build_fields(report: BuildReport) -> dict[str, object]:
    """Return what a build did, for programs."""
    return {
        name: getattr(report, name)
        for name in ("generation", "beside", "model", "dim", "sources", "answers", "together")
    }


def print_build(report: BuildReport, *, code: bool) -> None:
    """Print what a build did, and what comes next."""
    both = f" and {report.together}" if report.together else ""
    out.print(
        f"[bold]{report.generation}[/]{both} beside {report.beside}: {escape(report.model)}, {report.dim} dimensions",
        highlight=False,
    )
    if report.together:
        out.print("both are verified, promoted and rolled back together", highlight=False)
    columns = ("documents", "deleted", "chunks", "embedded", "cached")
    table = Table("source", *(Column(column, justify="right") for column in (*columns, "failed")))
    for source, copied in report.sources.items():
        counts = (str(getattr(copied, column)) for column in columns)
        table.add_row(escape(source), *counts, str(len(copied.failures)))
    out.print(table)
    for failure in report.failures[:SHOWN_FAILURES]:
        out.print(f"  [red]failed[/] {escape(failure.path)}: {escape(failure.reason)}", highlight=False)
    if report.answers:
        out.print(f"all code lies in {report.generation} now, which answers", highlight=False)
        return
    option = " --code" if code else ""
    out.print(f"what is written goes to both; next: `shirabe index verify {report.generation}{option} --queries FILE`")


def print_verify(report: VerifyReport) -> None:
    """Print how a candidate stands to the generation that answers."""
    from evaluation.side_by_side import COMPARED

    found = report.queries
    table = Table("queries", Column("count", justify="right"), *COMPARED)
    groups = {"all": found.judged} if found.judged else {}
    for label, group in {**groups, **found.by_lang, **found.by_kind}.items():
        cells = [
            f"{each.answering:.3f} → {each.candidate:.3f} [{each.low:+.3f}, {each.high:+.3f}]"
            for each in (group.measures[name] for name in COMPARED)
        ]
        table.add_row(escape(label), str(group.queries), *cells)
    if found.judged:
        out.print(table)
    if found.overlap is not None:
        out.print(f"{found.logged} logged queries: overlap@10 {found.overlap:.3f}", highlight=False)
    if found.answering_ms and found.candidate_ms:
        one, other = found.answering_ms, found.candidate_ms
        out.print(f"p50 {one.p50:.0f} → {other.p50:.0f} ms, p95 {one.p95:.0f} → {other.p95:.0f} ms", highlight=False)
    for name, source in report.sources.items():
        out.print(
            f"{escape(name)}: {source.answering[1]} → {source.candidate[1]} chunks, {source.missing} missing, "
            f"{source.extra} extra, {source.altered} altered",
            highlight=False,
        )
    for check in report.checks:
        mark = "[green]ok[/]    " if check.passed else "[bold red]failed[/]"
        out.print(f"  {mark} {escape(check.name)}: {check.value:g} (bound {check.bound:g})", highlight=False)
    out.print(f"{report.candidate} {'passed' if report.passed else 'did not pass'}; {report.file}", highlight=False)


def print_switched(switched: Switched, *, as_json: bool) -> None:
    """Print which generation answers now."""
    if as_json:
        print_json(switched)
        return
    forced = " (forced)" if switched.forced else ""
    out.print(f"[bold]{switched.now}[/] answers in place of {switched.before}{forced}", highlight=False)
    if switched.lacking:
        out.print(f"it lacks {switched.lacking} documents, which the next sync reads again", highlight=False)


def _when(at: str | None) -> str:
    return (at or "")[:16].replace("T", " ")
