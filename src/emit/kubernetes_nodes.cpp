#include <fmt/format.h>

#include "llmsize/emit/kubernetes.hpp"
#include "llmsize/emit/words.hpp"

namespace llmsize::emit {
namespace {

std::string label_script(const FleetDeployment& fleet) {
  std::string text = fmt::format("#!/usr/bin/env bash\n# {}\n", fleet.title);
  const bool single = fleet.classes.size() == 1 && fleet.classes.front().hosts.empty();
  text += single ? "# Usage: label-nodes.sh NODE, the machine that was planned for.\n"
                 : "# Makes the node selectors true. Nodes are called as the files of their probes.\n";
  text += "set -euo pipefail\n";
  if (single)
    return text + fmt::format("kubectl label node --overwrite \"${{1:?usage: label-nodes.sh NODE}}\" {}={}\n",
                              class_label, class_value(fleet.classes.front()));
  for (const auto& hosts : fleet.classes)
    for (const auto& host : hosts.hosts)
      text += fmt::format("kubectl label node --overwrite {} {}={}\n", shell_quoted(host), class_label,
                          class_value(hosts));
  return text;
}

constexpr const char* probe_object =
    R"(# One pod on every node that lends its view of the node to `llmsize probe --root /host`: collect-probes.sh.
# /proc and /sys are the node's own, mounted read-only, and the pod has no limits, so that memory, processors and GPUs
# are the node's and not the pod's. GPUs are found through sysfs and NVIDIA's driver under /proc; no device is taken.
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: llmsize-probe
  labels:
    app.kubernetes.io/name: llmsize-probe
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: llmsize-probe
  template:
    metadata:
      labels:
        app.kubernetes.io/name: llmsize-probe
    spec:
      automountServiceAccountToken: false
      # The node's name instead of the pod's.
      hostNetwork: true
      # Also nodes that are kept for other work.
      tolerations:
        - operator: Exists
      terminationGracePeriodSeconds: 1
      containers:
        - name: probe
          image: debian:12-slim
          command: ["sleep", "infinity"]
          securityContext:
            allowPrivilegeEscalation: false
          volumeMounts:
            - name: proc
              mountPath: /host/proc
              readOnly: true
            - name: sys
              mountPath: /host/sys
              readOnly: true
            - name: machine-id
              mountPath: /host/etc/machine-id
              readOnly: true
            - name: os-release
              mountPath: /host/etc/os-release
              readOnly: true
      volumes:
        - name: proc
          hostPath:
            path: /proc
            type: Directory
        - name: sys
          hostPath:
            path: /sys
            type: Directory
        - name: machine-id
          hostPath:
            path: /etc/machine-id
            type: File
        - name: os-release
          hostPath:
            path: /etc/os-release
            type: File
)";

constexpr const char* collect_script = R"script(#!/usr/bin/env bash
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
)script";

}  // namespace

std::vector<EmittedFile> node_files(const FleetDeployment& fleet) {
  std::vector<EmittedFile> files;
  if (!fleet.pin_hosts) files.push_back({"label-nodes.sh", label_script(fleet), true});
  files.push_back({"probe.yaml", probe_object});
  files.push_back({"collect-probes.sh", collect_script, true});
  return files;
}

}  // namespace llmsize::emit
