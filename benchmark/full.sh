#!/bin/sh
# The full benchmark: every model whose weights are on this machine, every task in the folder.
# usage: benchmark/full.sh [TASKS_DIR [OUT]] [more options of `hear-benchmark run`]
# Without task folders in TASKS_DIR it takes the demo tasks. Stopped, it goes on when called again.
set -eu
tasks_dir=${1:-my-tasks}
out=${2:-runs/full}
[ $# -gt 2 ] && shift 2 || set --
models=$(hear-benchmark models --ready)
if ls "$tasks_dir"/*/task_metadata.json >/dev/null 2>&1; then
    tasks="--tasks-dir $tasks_dir --tasks all"
else
    echo "full.sh: no task folders in $tasks_dir; taking the demo tasks" >&2
    tasks="--tasks demo"
fi
# Words of $models and $tasks are arguments each.
# shellcheck disable=SC2086
exec hear-benchmark run $models $tasks --out "$out" "$@"
