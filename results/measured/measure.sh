#!/bin/sh
# Makes results/measured/: four models on five tasks of real audio, CPU only.
# usage: results/measured/measure.sh DATA BYOL_A_WEIGHTS OUT
#   DATA            folder with fsdd, esc10, soundscapes, music/piano_midi, music/pitch
#   BYOL_A_WEIGHTS  AudioNTT2020-BYOLA-64x96d512.pth (evaluation licence: get it from nttcslab/byol-a)
# Stopped, it goes on when called again. `jobs` and `threads` suit two cores.
set -eu
data=$1 weights=$2 out=$3
here=$(dirname "$0")
for task in spoken_digit:fsdd esc10:esc10 soundscapes:soundscapes piano_midi:music/piano_midi \
    pitch:music/pitch; do
    hear-benchmark prepare "${task%%:*}" --from "$data/${task#*:}" --tasks-dir "$out/tasks"
done
models="hear_plugins.logmel hear_plugins.crepe hear_plugins.byol_a hear_plugins.opensmile"
evaluation="--grid fast --grid-points 2 --threads 1 --jobs 2 --out $out"
# shellcheck disable=SC2086 # lists of words
{
    hear-benchmark embed $models --model "hear_plugins.byol_a=$weights" \
        --tasks-dir "$out/tasks" --out "$out"
    hear-benchmark evaluate $evaluation
    hear-benchmark evaluate hear_plugins.opensmile --protocol hear-standardized $evaluation
}
rm -rf "$here/records" "$here/tables"
cp -r "$out/records" "$here/records"
hear-benchmark tables --records "$here/records" --out "$here"
