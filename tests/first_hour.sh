#!/usr/bin/env bash
# A new user's first hour, in an empty folder, from the built wheel: bash tests/first_hour.sh
#
# It says what it types, shows what comes, and ends with a status other than 0 at the first surprise.
# PYTHON is an interpreter that has the dependencies; of this project it lends nothing. KEEP=1 keeps the folder.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
out=$work/said errors=$work/errors
here=$work/here  # the empty folder
trionet=../env/bin/trionet nnictl=../env/bin/nnictl  # not activated: PATH's python3 knows nothing of the wheel
unset PYTHONPATH TRIONET_DATA TRIONET_PORTAL_HOST NODE_OPTIONS
export HOME=$work/home  # NNI keeps its list of experiments there
mkdir "$here" "$HOME"

fail() {
    echo "SURPRISE: $*"
    exit 1
}

# Processes that a command of this script has left behind, by the mark in their environment.
left() {
    grep -lz "^FIRST_HOUR=$$\$" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3 || true
}

nothing_left() {
    for _ in $(seq 60); do
        [ -n "$(left)" ] || return 0
        sleep 0.5
    done
    fail "these processes are left: $(left | xargs ps -o pid=,args= -p)"
}

clean_up() {
    local process
    for process in $(left); do kill -9 "$process" 2>/dev/null || true; done
    if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT

# run STATUS PATTERN COMMAND …: the command ends with this status and says something that fits the pattern.
# A refusal (status 2) is one line on standard error.
run() {
    local wanted=$1 pattern=$2 status=0 began=$SECONDS
    shift 2
    echo "\$ $*"
    FIRST_HOUR=$$ "$@" >"$out" 2>"$errors" || status=$?
    sed 's/^/    /' "$out" "$errors"
    echo "    [status $status, $((SECONDS - began)) s]"
    [ "$status" -eq "$wanted" ] || fail "status $status, not $wanted"
    [ -z "$pattern" ] || grep -qE -- "$pattern" "$out" "$errors" || fail "it does not say: $pattern"
    [ "$wanted" -ne 2 ] || [ "$(wc -l <"$errors")" -eq 1 ] || fail "a refusal is one line"
}

# A port is listened on, and by nobody but this machine's own addresses (127.0.0.1, also as an IPv6 one).
on_this_machine_alone() {
    local addresses
    addresses=$(awk -v port="$(printf %04X "$1")" \
        '$4 == "0A" { split($2, part, ":"); if (part[2] == port) print part[1] }' /proc/net/tcp /proc/net/tcp6)
    echo "    port $1 listens on: $addresses"
    [ -n "$addresses" ] || fail "nobody listens on port $1"
    ! grep -qv '0100007F$' <<<"$addresses" || fail "port $1 is open to other machines"
}

echo "== The wheel, alone in an environment of its own; only its dependencies are lent"
mkdir "$work/source"
git -C "$root" ls-files -z --cached --others --exclude-standard |
    tar -C "$root" --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -C "$work/source" -xf -
run 0 '' "$python" -m pip wheel --quiet --no-deps --no-build-isolation --no-index -w "$work" "$work/source"
rm -rf "$work/source"
"$python" -m venv --without-pip "$work/env"
"$python" -m pip --python "$work/env/bin/python" install --quiet --no-deps --no-index "$work"/*.whl
site=$("$work/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/lent.pth"
cd "$here"
run 0 "^$site/trionet_nni/__init__.py\$" ../env/bin/python -c 'import trionet_nni; print(trionet_nni.__file__)'
run 1 "No module named" ../env/bin/python -c 'import spaces'
run 0 '^trionet [0-9]' $trionet --version

echo "== Pictures: three classes in colour, and five grey ones of another size"
"$python" "$root/tests/helpers/class_folders.py" pictures --count 80 triangle square pentagon
"$python" "$root/tests/helpers/class_folders.py" other --side 40 --mode L --count 24 a b c d e

echo "== An experiment for them"
run 2 'nowhere' $trionet new mine --data nowhere
[ ! -e mine ] || fail "a refusal left a folder"
run 0 'Pictures: 240 in 3 classes' $trionet new mine --data pictures
for name in spaces/small.py strategies/evolution.py experiments/mine.yml experiment.yml; do
    [ -f "mine/$name" ] || fail "no mine/$name"
done
run 2 'found something there' $trionet new mine --data pictures
run 0 'candidates' $trionet plan mine/experiments/mine.yml --set "data.root=$here/pictures"

echo "== nnictl by hand: what is wrong is said by both, before anything starts"
run 2 'imagenet.yml' $trionet plan mine/experiments/imagenet.yml
line=$(sed 's/^trionet: //' "$errors")
run 2 'imagenet.yml' $nnictl create --config mine/experiments/imagenet.yml
[ "$(sed 's/^nnictl: //' "$errors")" = "$line" ] || fail "nnictl says something else than trionet plan"
nothing_left

echo "== A search, as long as this machine needs at least"
settings=(--set "search.budgets=[2.0e+7]" --set search.population=6 --set search.parents=3
    --set search.finalists.count=2 --set search.finalists.steps=20 --set data.recalibration_images=32
    --set supernet.recipe.batch_size=8 --set retrain.batch_size=8)
run 2 'search.populations' $trionet search mine/experiment.yml --set search.populations=6
run 2 '^trionet: --minutes: found 0.01, allowed: [0-9]+ or more' \
    $trionet search mine/experiment.yml --minutes 0.01 "${settings[@]}"
minutes=$(sed -n 's/.*allowed: \([0-9]*\) or more.*/\1/p' "$errors")
search=($trionet search mine/experiment.yml --minutes "$minutes" "${settings[@]}")
echo "\$ ${search[*]}"
FIRST_HOUR=$$ "${search[@]}" >"$out" 2>&1 &
port=
while [ -z "$port" ]; do
    sleep 0.5
    kill -0 $! 2>/dev/null || { cat "$out"; fail "the search has ended before its portal was there"; }
    port=$(sed -n 's|.*portal http://127.0.0.1:\([0-9]*\).*|\1|p' "$out")
done
on_this_machine_alone "$port"
wait $! || { cat "$out"; fail "the search failed"; }
sed 's/^/    /' "$out"
nothing_left
run 0 'population: 6' cat mine/runs/*/trionet/experiment.yml
[ -f out/1/card.json ] || fail "no out/1"

echo "== The same experiment through nnictl, by hand"
file=$(echo mine/runs/[0-9a-zA-Z]*/trionet/experiment.yml)
run 0 "" ../env/bin/python -c 'from trionet_nni.nnictl.manager.portal import free_port; import os; print(free_port(20000 + os.getpid() % 10000))'
port=$(cat "$out")
run 0 "127.0.0.1:$port" $nnictl create --config "$file" --port "$port"
on_this_machine_alone "$port"
run 0 'success' $nnictl stop --all
nothing_left

echo "== From scratch, and what came out"
run 2 '--set retrain.epochs=1' $trionet retrain out/1 --epochs 1
run 0 '' $trionet retrain out/1 --set retrain.steps=30
grep -q retrained out/1/card.md || fail "the card knows nothing of the retraining"
run 0 'accuracy' $trionet evaluate out/1
run 0 'accuracy' $trionet evaluate out/1 --data pictures --weights supernet -o evaluated
[ "$(find evaluated -name '*.csv' -o -name '*.png' | wc -l)" -ge 2 ] || fail "no matrix in evaluated/"
run 2 'class' $trionet evaluate out/1 --data other
run 0 'pictures/test/square/0.png: (triangle|square|pentagon) \(0\.' $trionet predict out/1 pictures/test --csv all.csv
[ "$(wc -l <all.csv)" -eq 61 ] || fail "all.csv has not a line for each of 60 pictures"
run 2 'nowhere.png' $trionet predict out/1 nowhere.png
run 0 '^(triangle|square|pentagon)$' ../env/bin/python -c '
import trionet_nni
network = trionet_nni.load("out/1")
logits = network(network.preprocess("pictures/test/square/0.png")[None])
print(network.classes[logits.argmax()])'

echo "== The same network for other pictures"
run 2 '\-o' $trionet finetune out/1 --data other
run 0 '' $trionet finetune out/1 --data other --size 40 -o for/other --set finetune.steps=20
run 0 "\('a', 'b', 'c', 'd', 'e'\)" ../env/bin/python -c '
import trionet_nni
print(trionet_nni.load("for/other").classes)'
run 0 '' $trionet finetune out/1 --data digits --size 28 -o for/digits --set finetune.steps=20
run 0 '^1 channel, 10 classes$' ../env/bin/python -c '
import trionet_nni
network = trionet_nni.load("for/digits")
print(len(network.preprocess("pictures/test/square/0.png")), "channel,", len(network.classes), "classes")'
nothing_left
echo "== As it should be, after $SECONDS s"
