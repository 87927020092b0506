#!/usr/bin/env bash
# Probes every node of a cluster: collect-probes.sh DIR writes DIR/NODE.json for `llmsize plan --hosts DIR`.
# The program comes from $LLMSIZE or the path, with the libraries it needs, and runs in the pods of probe.yaml.
set -euo pipefail
out=${1:?usage: collect-probes.sh DIR}
llmsize=${LLMSIZE:-$(command -v llmsize)}
here=$(cd "$(dirname "$0")" && pwd)
bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
mkdir "$bundle/llmsize-probe"
cp "$llmsize" "$bundle/llmsize-probe/llmsize"
run=/tmp/llmsize-probe/llmsize
# Of a static program ldd names no library.
{ ldd "$llmsize" 2>/dev/null || true; } | grep -o '/[^ ]*' >"$bundle/libraries" || true
while read -r library; do
  cp -L "$library" "$bundle/llmsize-probe/"
  case ${library##*/} in ld-*) run="/tmp/llmsize-probe/${library##*/} --library-path /tmp/llmsize-probe $run" ;; esac
done <"$bundle/libraries"

mkdir -p "$out"
kubectl apply -f "$here/probe.yaml"
kubectl rollout status daemonset/llmsize-probe --timeout=300s
kubectl get pods -l app.kubernetes.io/name=llmsize-probe \
  -o 'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}' >"$bundle/pods"
while read -r pod node; do
  tar -C "$bundle" -cf - llmsize-probe | kubectl exec -i "$pod" -- tar -C /tmp -xf -
  # Under its name only when it is whole.
  kubectl exec "$pod" -- sh -c "$run probe --root /host --json" >"$out/$node.part" </dev/null
  mv "$out/$node.part" "$out/$node.json"
  echo "$out/$node.json"
done <"$bundle/pods"
kubectl delete -f "$here/probe.yaml"
