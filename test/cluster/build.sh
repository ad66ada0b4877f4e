#!/usr/bin/env bash
# build.sh PROGRAM...: see to it that these programs can be started by name (with env.sh's PATH).
# Where KUBEBUILDER_ASSETS or the PATH has all of them, they are used; else all of ours are built into $OUT/bin.
set -euo pipefail
. "$(dirname "$0")/env.sh"

for program; do PATH=$THEIRS command -v "$program" >/dev/null || missing=$program; done
[ -n "${missing:-}" ] || exit 0
mkdir -p "$OUT/bin"
sources=$(cat go.mod go.sum build.sh cmd/*/main.go | sha256sum)
exec 9>"$OUT/build.lock"
flock 9 # one build at a time: a second one would only take its memory
[ "$sources" != "$(cat "$OUT/bin/sources" 2>/dev/null)" ] || exit 0
if ! [[ $(go env GOVERSION 2>/dev/null) =~ ^go1\.(2[6-9]|[3-9][0-9]) ]]; then
	echo "Go 1.26 or newer is needed to build $missing: install it into /usr/local/go (go.dev/doc/install says how) or put it on the PATH" >&2
	exit 1
fi

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${version#v}"
stamp="-s -w"
for field in gitVersion=$version gitMajor=$major gitMinor=$minor gitTreeState=clean gitCommit=unknown; do
	stamp+=" -X k8s.io/component-base/version.$field"
done
# Neither inlined functions nor debug data: a third less to compile, and fast enough for a test.
CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags 'all=-l -dwarf=false' -ldflags "$stamp" -o "$OUT/bin/" ./cmd/kube ./cmd/coredns ./cmd/pause
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kwok kubectl helm; do
	ln -sf kube "$OUT/bin/$name"
done
echo "$sources" >"$OUT/bin/sources"
