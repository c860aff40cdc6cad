#!/bin/bash
# can_fail.sh BINARY: each check finds what it is there to find, and names the place.
set -euo pipefail
binary=$(readlink -f "$1")
checks=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
failed=0

# expect CHECK CONTENT FILE MESSAGE: a tree with only this file must be refused with this text.
expect() {
    local out
    rm -rf "${root:?}"/*
    mkdir -p "$root/$(dirname "$3")"
    cp "$checks/../../.clang-format" "$root/"
    printf "$2" >"$root/$3"
    if out=$("$checks/$1" "$root" 2>&1); then
        echo "$1 did not refuse $3: $2"
        failed=1
    elif [[ $out != *"$4"* ]]; then
        echo "$1 said of $3: $out, expected: $4"
        failed=1
    fi
}

# accept CHECK CONTENT FILE: a tree with only this file is in order.
accept() {
    rm -rf "${root:?}"/*
    mkdir -p "$root/$(dirname "$3")"
    printf "$2" >"$root/$3"
    "$checks/$1" "$root" || { echo "$1 refused $3: $2" && failed=1; }
}

expect layers.sh '#include "bridge/domain/route.h"\n' bridge/base/x.c 'bridge/base/x.c:1: base may not use domain'
expect layers.sh '\n#include "bridge/dev/view.h"\n' bridge/app/x.c 'bridge/app/x.c:2: app may not use dev'
expect layers.sh '#include <librdkafka/rdkafka.h>\n' bridge/ingress/x.c '<librdkafka/rdkafka.h> may not be included here'
expect layers.sh '#include <openssl/evp.h>\n' bridge/base/secret.c '<openssl/evp.h> may not be included here'
expect layers.sh '#include <zstd.h>\n' bridge/ops/x.h '<zstd.h> may not be included here'
expect layers.sh '#include "route.h"\n' bridge/domain/x.c '"route.h" is not rooted'
expect layers.sh '#include <stdio.h>\n' bridge/util/x.c 'the folder util has no row'
accept layers.sh '#include <openssl/evp.h>\n#include "bridge/base/buf.h"\n#include <sys/stat.h>\n' bridge/base/crypto.c

expect banned.sh 'int x(void)\n{\n    return atoi("1");\n}\n' bridge/base/x.c 'bridge/base/x.c:3: atoi() is banned: use digits'
expect banned.sh 'x = strtol (a, 0, 10);\n' tests/x.c 'tests/x.c:1: strtol() is banned'
expect banned.sh 'sleep(1);\n' tests/x.c 'tests/x.c:1: sleep() is banned: use poll()'
accept banned.sh '/* not atoi() */\n * nor rand()\nx->rand(1); nanosleep(1); my_sleep(2); "atoi"\n' bridge/base/x.c

expect headers.sh '#pragma once\nsize_t x(void);\n' bridge/base/x.h 'bridge/base/x.h: does not compile alone'
expect headers.sh 'int x(void);\n' bridge/base/x.h '#pragma once is missing'

expect hygiene.sh 'see /home/somebody/notes\n' README.md 'README.md:1: a path of one machine'
expect hygiene.sh 'a\n-----BEGIN RSA PRIVATE KEY-----\n' key 'key:2: a private key'
expect hygiene.sh 'https://me:secret@example.com/\n' x.py 'x.py:1: a URL with a password'
expect hygiene.sh 'a\0b' x.bin 'x.bin: is binary'
expect hygiene.sh '%300000d' big.txt '300000 bytes, expected at most 262144'

expect report.sh '<!-- begin: tests/bench/compare -->\nfast\n<!-- end: tests/bench/compare -->\n' README.md 'README.md: does not agree'
accept report.sh '<!-- begin: tests/bench/compare -->\n<!-- end: tests/bench/compare -->\n' README.md
model='## Threat model\n| threat | defence | tests |\n| --- | --- | --- |\n'
expect threats.sh "${model}| A thief | a door | \`nobody_comes_in\` |\n" SECURITY.md 'SECURITY.md:4: there is no test nobody_comes_in'
expect threats.sh "${model}| A thief | a door | |\n" SECURITY.md 'SECURITY.md:4: no test stands against: A thief'
expect threats.sh '# Security\n' SECURITY.md 'there is no threat'

expect mutants.sh 'return x;\n' bridge/ingress/request.c 'stands 0 times in bridge/ingress/request.c'

# mutate FILE SED MESSAGE: the runbook, the alerts and the log events, one of them changed so, must be refused with this text.
mutate() {
    local out file
    rm -rf "${root:?}"/*
    for file in deploy/OPERATIONS.md deploy/helm/maesn-bridge/files/alerts.yaml bridge/domain/log_events.def; do
        mkdir -p "$root/$(dirname "$file")"
        cp "$checks/../../$file" "$root/$file"
    done
    sed -nE 's/^L\((\w+),.*/LOG(\1, x);/p' "$checks/../../bridge/domain/log_events.def" >"$root/bridge/x.c"
    sed -i -E "$2" "$root/$1"
    if out=$("$checks/operations.sh" "$root" 2>&1) || [[ $out != *"$3"* ]]; then
        echo "operations.sh said of $1 after $2: $out, expected: $3"
        failed=1
    fi
}

mutate deploy/OPERATIONS.md 's/^### MaesnBridgeDeadLetters/### MaesnBridgeLetters/' 'MaesnBridgeDeadLetters has no heading'
mutate deploy/OPERATIONS.md 's/^### MaesnBridgeDeadLetters/### MaesnBridgeLetters/' 'there is no alert MaesnBridgeLetters'
mutate deploy/OPERATIONS.md '/^### MaesnBridgeDeadLetters/,/^- \*\*Look/s/^- \*\*Look.*//' 'MaesnBridgeDeadLetters has no "Look at"'
mutate deploy/OPERATIONS.md '/^\| `spool\.filled`/d' 'spool.filled, error, has no row'
mutate deploy/OPERATIONS.md 's/^\| `spool\.filled` \| error/| `spool.filled` | warn/' 'spool.filled, error, has no row'
mutate deploy/OPERATIONS.md 's/^(\| `spool\.filled` .*)Make room/\1Find room/' 'spool.filled: expected: Make room'
mutate deploy/OPERATIONS.md 's/^\| `spool\.filled`/| `spool.flooded`/' 'there is no log event spool.flooded'
mutate deploy/OPERATIONS.md 's/\]\(#restore\)/](#recover)/' '#recover leads nowhere'
mutate deploy/helm/maesn-bridge/files/alerts.yaml 's/#maesnbridgedeadletters/#dead-letters/' 'MaesnBridgeDeadLetters has no runbook_url'
mutate deploy/helm/maesn-bridge/files/alerts.yaml 's/webhook\.unanswered/webhook.ignored/' 'there is no log event webhook.ignored'
mutate bridge/x.c '/SPOOL_FILLED/d' 'spool.filled is logged by nobody'

expect format.sh 'int  x ;\n' bridge/base/x.c 'bridge/base/x.c:1:4: error: code should be clang-formatted'

# differs CHECK FILE SED MESSAGE: what a check compares with what the program or another file says, FILE changed so, must be
# refused with this text.
differs() {
    local out file
    rm -rf "${root:?}"/*
    for file in config deploy/asyncapi.yaml deploy/helm/maesn-bridge; do
        mkdir -p "$root/$(dirname "$file")"
        cp -r "$checks/../../$file" "$root/$file"
    done
    sed -i -E "$3" "$root/$2"
    # shellcheck disable=SC2086
    if out=$("$checks/"$1 "$root" 2>&1) || [[ $out != *"$4"* ]]; then
        echo "$1 said of $2 after $3: $out, expected: $4"
        failed=1
    fi
}

chart=deploy/helm/maesn-bridge
differs chart_readme.sh $chart/values.yaml '0,/enabled: false/s//enabled: true/' 'README.md is out of date'
differs chart_readme.sh $chart/values.yaml '0,/ # .*/s// # something else/' 'README.md is out of date'
differs chart_readme.sh $chart/README.md '/^\| `strimzi\.cluster`/d' 'README.md is out of date'

reference="reference.sh $binary"
differs "$reference" config/REFERENCE.md 's/`5000` \| both/`7` | both/' 'config/REFERENCE.md is out of date'
differs "$reference" config/bridge.schema.json '0,/"minimum": [0-9]+/s//"minimum": 7/' 'config/bridge.schema.json is out of date'
differs "$reference" config/routes.schema.json 's/"secret_file"/"secret"/' 'config/routes.schema.json is out of date'
differs "$reference" config/accounts.schema.json 's/"subscriptions"/"webhooks"/' 'config/accounts.schema.json is out of date'
differs "$reference" $chart/files/topics.yaml 's/604800000/604800001/' 'files/topics.yaml is out of date'
differs "$reference" $chart/values.schema.json 's/"maximum": 60000,/"maximum": 60001,/' 'values.schema.json is out of date'
differs "$reference" deploy/asyncapi.yaml 's/retention\.ms: 1209600000/retention.ms: 1209600001/' 'asyncapi.yaml is out of date'
differs "$reference" deploy/asyncapi.yaml 's/address: maesn\.invoice/address: maesn.invoices/' 'asyncapi.yaml is out of date'
differs "$reference" deploy/asyncapi.yaml 's/partitions: 6/partitions: 7/' 'asyncapi.yaml is out of date'
differs "$reference" config/bridge.yaml '$aunheard_of: 1' 'unheard_of'

# missing STATUS: a package of this status, as dpkg-query tells it, is told to be missing.
missing() {
    rm -rf "${root:?}"/*
    printf '#!/bin/bash\nprintf %%s %q\n' "$1" >"$root/dpkg-query"
    printf '#!/bin/bash\necho 1000\n' >"$root/id"
    chmod +x "$root/dpkg-query" "$root/id"
    { PATH=$root:$PATH "$checks/../../deploy/install-packages" zsh 2>&1 || true; } | grep -q '^missing packages.* zsh$'
}

for status in '' 'not-installed ' 'config-files ' 'half-installed ' 'not-installed config-files '; do
    missing "$status" || { echo "install-packages takes a package for installed whose status is: $status" && failed=1; }
done
for status in 'installed ' 'installed installed ' 'not-installed installed '; do
    ! missing "$status" || { echo "install-packages takes a package for missing whose status is: $status" && failed=1; }
done

# says CHECK WHEN SED MESSAGE: of a program whose output for the arguments WHEN is changed so the check must tell this.
says() {
    local out program=$root/maesn-bridge
    rm -rf "${root:?}"/*
    printf '#!/bin/bash\nset -o pipefail\nif [ "$*" = %q ]; then %q "$@" | sed -E %q; else exec %q "$@"; fi\n' \
        "$2" "$binary" "$3" "$binary" >"$program"
    chmod +x "$program"
    # shellcheck disable=SC2086
    if out=$("$checks/"${1/BINARY/$program} 2>&1) || [[ $out != *"$4"* ]]; then
        echo "$1 said after $3 of $2: $out, expected: $4"
        failed=1
    fi
}

says 'manual.sh BINARY' 'man 1' 's/^\.SH "OPTIONS"/.SH\n.XX "OPTIONS"/' 'man 1: '
says 'manual.sh BINARY' 'man 1' '/^\.SS .*topics.* plan/,/^\.SS/s/partitions/parts/' 'topics plan: --partitions is missing'
says 'manual.sh BINARY' 'man 1' '/^\.SS .*topics.* plan/,/^\.SS/s/fB78/fB79/' 'topics plan: exit code 78 is missing'
says 'manual.sh BINARY' 'man 5' 's/spool\.max/spool.most/' 'man 5: spool.max_bytes is missing'
says 'manual.sh BINARY' '--help' '/^  registry /d; /^  spool /d; /^  account /d; /^  s/d' 'fewer than 20 commands'

says 'completions.sh BINARY bash' 'completion bash' 's/"export import reseal"/"export import"/; s/registry replay/replay/' 'bash offers for "maesn-bridge'
says 'completions.sh BINARY fish' 'completion fish' 's/not-json//' 'fish offers for "maesn-bridge replay --execute --reason not"'
says 'completions.sh BINARY zsh' 'completion zsh' 's/:\(not-json /:(/' 'zsh offers for "maesn-bridge replay --execute --reason not"'
exit $failed
