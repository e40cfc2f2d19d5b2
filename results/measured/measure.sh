#!/bin/sh
# Makes results/measured/records and tables: four models on six tasks of real audio under every
# protocol, CPU only; some hours on two cores.
# usage: results/measured/measure.sh DATA BYOL_A_WEIGHTS OUT
#   DATA            folder with fsdd, esc10, soundscapes, music/piano_midi, music/pitch and
#                   music/orchestra_notes
#   BYOL_A_WEIGHTS  AudioNTT2020-BYOLA-64x96d512.pth (evaluation licence: get it from nttcslab/byol-a)
# Stopped, it goes on when called again.
set -eu
data=$1 weights=$2 out=$3
here=$(dirname "$0")
for task in spoken_digit:fsdd esc10:esc10 soundscapes:soundscapes piano_midi:music/piano_midi \
    pitch:music/pitch; do
    hear-benchmark prepare "${task%%:*}" --from "$data/${task#*:}" --tasks-dir "$out/tasks"
done
# Pitches of which there are seven notes or more.
hear-benchmark prepare custom --name orchestra_notes --from "$data/music/orchestra_notes" \
    --tasks-dir "$out/tasks" --labels labels.csv --audio 'audio/{file}' --label midi \
    --label-range 38,82 --splits folds --nfolds 5 --stratify --sample-duration 2 \
    --evaluation pitch_acc,chroma_acc

frames="hear_plugins.logmel hear_plugins.byol_a hear_plugins.crepe" # openSMILE's take hours
models="$frames hear_plugins.opensmile"
scenes="esc10,spoken_digit,pitch,orchestra_notes"
hear="--grid fast --grid-points 2 --threads 1"
embed() { # models, then options
    # shellcheck disable=SC2086 # a list of words
    hear-benchmark embed $1 --model "hear_plugins.byol_a=$weights" --tasks-dir "$out/tasks" \
        --out "$out" "$2" "$3" "$4" "$5"
}
# A protocol that a task does not allow (fewer clips than it draws) says so and leaves the others.
evaluate() {
    hear-benchmark evaluate --out "$out" "$@" || echo "some of $* failed, see above"
}

embed "$models" --tasks "$scenes" --representation scene
embed "$frames" --tasks soundscapes,piano_midi --representation timestamps
evaluate --protocol mteb-fewshot --tasks esc10,spoken_digit
for protocol in knn linear-fusion linear; do
    evaluate --protocol "$protocol" --tasks "$scenes"
done
# shellcheck disable=SC2086 # a list of words
for protocol in hear hear-standardized hear-multiseed; do
    evaluate --protocol "$protocol" $hear
done
embed "$frames" --tasks esc10,spoken_digit,orchestra_notes --representation timestamps
for protocol in xares xares-fixed attentive; do
    evaluate --protocol "$protocol" --tasks esc10,spoken_digit,orchestra_notes
done
for seconds in 1 3 5; do
    embed "$frames" --tasks esc10 --representation "windows:$seconds"
    evaluate --protocol support --window-seconds "$seconds" --tasks esc10
done
embed "hear_plugins.byol_a hear_plugins.crepe" --tasks esc10,pitch --representation layers
evaluate --protocol linear --layers all --tasks esc10,pitch

rm -rf "$here/records" "$here/tables"
cp -r "$out/records" "$here/records"
hear-benchmark tables --records "$here/records" --out "$here"
hear-benchmark compare-probes --out "$out"
hear-benchmark compare all --out "$out"
hear-benchmark layer-curves --out "$out"
