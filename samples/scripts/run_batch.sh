#!/usr/bin/env bash
# バッチを手動で実行する / Run a batch by hand (REQ-BAT-020).
#
#   scripts/run_batch.sh BAT-010 2026-04-20
#
# 終了コード: 0 成功、1 開始できない、2 一部失敗、3 二重起動、124 打ち切り
set -euo pipefail

batch="${1:?usage: run_batch.sh BAT-NNN [YYYY-MM-DD]}"
target_date="${2:-}"

declare -A limit_minutes=(
  [BAT-001]=10 [BAT-002]=4 [BAT-010]=180 [BAT-011]=120 [BAT-020]=30
  [BAT-030]=60 [BAT-031]=60 [BAT-040]=240 [BAT-050]=30
)

if [[ -z "${limit_minutes[$batch]:-}" ]]; then
  echo "unknown batch: $batch" >&2
  exit 1
fi

# 過去の対象日を受け付けるのは三つだけ（REQ-BAT-021）。
if [[ -n "$target_date" ]]; then
  case "$batch" in
    BAT-010 | BAT-020 | BAT-031) ;;
    *)
      echo "$batch does not take a target date" >&2
      exit 1
      ;;
  esac
  if [[ ! "$target_date" =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]]; then
    echo "not a date: $target_date" >&2
    exit 1
  fi
fi

read -r -p "理由 / reason (kept in the audit log): " reason
[[ -n "$reason" ]] || { echo "a reason is required" >&2; exit 1; }

exec timeout "${limit_minutes[$batch]}m" \
  akane-batch "$batch" ${target_date:+--date "$target_date"} --actor "manual:${USER:-unknown}" --reason "$reason"
