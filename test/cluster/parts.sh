# Functions that start the parts of the cluster; used by up.sh, node.sh and down.sh.

started=()
start() { # start PROGRAM [ARGUMENT...]: in the background, with a log of its own
	setsid "$@" >"$RUN/log/$(basename "$1").log" 2>&1 </dev/null &
	started+=($!)
	[ $$ = 1 ] || echo $! >>"$RUN/pids"
}

kube() { kubectl --kubeconfig "$RUN/kubeconfig" "$@"; }

until_ok() { # until_ok SECONDS COMMAND...: repeat the command until it succeeds or a program has ended
	local end=$((SECONDS + $1)); shift
	until "$@" >"$RUN/log/wait.log" 2>&1; do
		[ $SECONDS -lt $end ] && kill -0 "${started[@]}" || { echo "gave up waiting: $*" >&2; return 1; }
		sleep 0.1
	done
}

certificate() { # certificate NAME SUBJECT EXTENSION...: signed by the authority, itself made first
	local name=$1 subject=$2 extension signer=(-CA ca.crt -CAkey ca.key)
	shift 2
	[ "$name" != ca ] || signer=()
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 \
		-config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') -subj "$subject" "${signer[@]}" \
		-keyout "$name.key" -out "$name.crt" $(printf -- '-addext %s ' "$@") 2>/dev/null
}

kubeconfig() { # kubeconfig CERTIFICATE-NAME SERVER
	cat <<-END
		apiVersion: v1
		kind: Config
		current-context: test
		contexts: [{name: test, context: {cluster: test, user: $1}}]
		clusters: [{name: test, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 ca.crt)}}]
		users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
	END
}

start_control_plane() { # start_control_plane ADDRESS [CONTROLLERS]
	local address=$1 server=https://$1:$PORT leaf=basicConstraints=CA:FALSE
	mkdir -p "$RUN/pki"
	pushd "$RUN/pki" >/dev/null
	certificate ca /CN=barrage-test basicConstraints=critical,CA:TRUE keyUsage=keyCertSign,digitalSignature
	certificate server /CN=kube-apiserver $leaf \
		"subjectAltName=IP:$address,IP:127.0.0.1,IP:$SERVICE_IP,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
	certificate admin /O=system:masters/CN=admin $leaf
	certificate node1 /O=system:nodes/CN=system:node:node1 $leaf
	openssl ecparam -name prime256v1 -genkey -noout -out serviceaccount.key
	kubeconfig admin "$server" >"$RUN/kubeconfig"
	kubeconfig node1 "$server" >"$RUN/kubelet.kubeconfig"
	popd >/dev/null

	start etcd --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls "unix://$RUN/etcd.sock" --advertise-client-urls "unix://$RUN/etcd.sock" \
		--listen-peer-urls "unix://$RUN/etcd-peer.sock" --initial-advertise-peer-urls http://localhost:1 --initial-cluster default=http://localhost:1
	until_ok 60 test -S "$RUN/etcd.sock"
	local endpoints=lease # the Service "kubernetes" cannot point to a loopback address
	[[ $address != 127.* ]] || endpoints=none
	start kube-apiserver --etcd-servers "unix://$RUN/etcd.sock" --endpoint-reconciler-type $endpoints \
		--bind-address "$address" --advertise-address "$address" --secure-port "$PORT" \
		--tls-cert-file "$RUN/pki/server.crt" --tls-private-key-file "$RUN/pki/server.key" \
		--client-ca-file "$RUN/pki/ca.crt" --authorization-mode Node,RBAC --allow-privileged \
		--enable-admission-plugins OwnerReferencesPermissionEnforcement \
		--kubelet-client-certificate "$RUN/pki/admin.crt" --kubelet-client-key "$RUN/pki/admin.key" \
		--kubelet-preferred-address-types InternalIP \
		--service-cluster-ip-range "$SERVICES" --service-account-issuer https://kubernetes.default.svc.cluster.local \
		--service-account-key-file "$RUN/pki/serviceaccount.key" --service-account-signing-key-file "$RUN/pki/serviceaccount.key"
	until_ok 120 kube get --raw /readyz # the others give up if it takes more than 10 seconds
	start kube-controller-manager --kubeconfig "$RUN/kubeconfig" --leader-elect=false --secure-port 0 --kube-api-qps 500 --kube-api-burst 500 --controllers "${2:-*}" \
		--service-account-private-key-file "$RUN/pki/serviceaccount.key" --root-ca-file "$RUN/pki/ca.crt" \
		--cluster-signing-cert-file "$RUN/pki/ca.crt" --cluster-signing-key-file "$RUN/pki/ca.key"
	start kube-scheduler --kubeconfig "$RUN/kubeconfig" --leader-elect=false --secure-port 0 --kube-api-qps 500 --kube-api-burst 500
	until_ok 60 kube get serviceaccount default # pods need it
}

start_kwok() {
	start kwok --config kwok.yaml --cidr 127.64.0.0/16 --node-lease-duration-seconds 40 --kubeconfig "$RUN/kubeconfig" --manage-nodes-with-annotation-selector kwok.x-k8s.io/node=fake
}

start_runtime() {
	cat >"$RUN/containerd.toml" <<-END
		version = 2
		root = "$RUN/containerd"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$RUN/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "pause:1"
		  restrict_oom_score_adj = true # works without CAP_SYS_RESOURCE
		[plugins."io.containerd.grpc.v1.cri".cni]
		  conf_dir = "$RUN/cni"
		  bin_dir = "${CNI_BIN:-/usr/lib/cni}"
	END
	mkdir -p "$RUN/cni"
	cat >"$RUN/cni/pods.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [
		  {"type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
		   "ipam": {"type": "host-local", "dataDir": "$RUN/addresses", "routes": [{"dst": "0.0.0.0/0"}],
		            "ranges": [[{"subnet": "$NET.1.0/24"}]]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	END
	start containerd --config "$RUN/containerd.toml"
	until_ok 20 ctr version
	for image in "$OUT"/images/*.tar; do ctr -n k8s.io images import "$image"; done
}

start_node() { # start_node ADDRESS
	cat >"$RUN/kubelet.yaml" <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		syncFrequency: 15s # a minute by default: tests wait for a changed Secret
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		cgroupDriver: cgroupfs
		failCgroupV1: false
		failSwapOn: false
		oomScoreAdj: 0
		authentication: {webhook: {enabled: false}, x509: {clientCAFile: $RUN/pki/ca.crt}}
		authorization: {mode: AlwaysAllow}
		clusterDomain: cluster.local
		clusterDNS: [$1]
		resolvConf: ""
		imageGCHighThresholdPercent: 100
		evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
		volumePluginDir: $RUN/kubelet/plugins
	END
	start kubelet --config "$RUN/kubelet.yaml" --kubeconfig "$RUN/kubelet.kubeconfig" \
		--hostname-override node1 --node-ip "$1"
	cat >"$RUN/proxy.yaml" <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		clientConnection: {kubeconfig: $RUN/kubeconfig}
		mode: nftables
		clusterCIDR: $NET.1.0/24
		hostnameOverride: node1
		conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	END
	start kube-proxy --config "$RUN/proxy.yaml"
	printf '.:53 {\n errors\n ready 127.0.0.1:8181\n kubernetes cluster.local {\n kubeconfig %s\n }\n}\n' "$RUN/kubeconfig" >"$RUN/Corefile"
	start coredns -conf "$RUN/Corefile"
	until_ok 60 kube wait --for=condition=Ready node/node1 --timeout=1s
}

cgroup_mount() { # cgroup_mount CONTROLLERS: where a hierarchy of /proc/self/cgroup is
	echo "/sys/fs/cgroup/${1#name=}"
}

enter_cgroup() { # move this process into a cgroup of its own in every hierarchy
	local names path dir file
	while IFS=: read -r _ names path; do
		[ -n "$names" ] || [ -e /sys/fs/cgroup/cgroup.controllers ] || continue # the empty v2 tree beside v1
		dir=$(cgroup_mount "$names")$path/$(basename "$RUN")
		mkdir -p "$dir"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$dir/$file" ] || [ -n "$(cat "$dir/$file")" ] || cat "$dir/../$file" >"$dir/$file"
		done
		echo "$dir" >>"$RUN/cgroups"
		echo $BASHPID >"$dir/cgroup.procs"
	done <<<"$(cat /proc/self/cgroup)"
}

leave_cgroup() { # remove the cgroups, when their processes have gone
	[ -e "$RUN/cgroups" ] || return 0
	local dir end=$((SECONDS + 30))
	while read -r dir; do
		until find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null; [ ! -e "$dir" ]; do
			[ $SECONDS -lt $end ] || { echo "could not remove $dir" >&2; return 1; }
			sleep 0.1
		done
	done <"$RUN/cgroups"
}

mount_cgroups() { # inside the namespaces: show only the cgroups below our own
	mount -t sysfs sysfs /sys
	if [ "$(cut -c1-3 /proc/self/cgroup)" = 0:: ]; then # cgroup v2: processes may only be in leaves
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		mkdir /sys/fs/cgroup/init
		while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true; done </sys/fs/cgroup/cgroup.procs
		sed 's/\(^\| \)/ +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
		return
	fi
	mount -t tmpfs tmpfs /sys/fs/cgroup
	local names dir
	while IFS=: read -r _ names _; do
		[ -n "$names" ] || continue
		dir=$(cgroup_mount "$names")
		mkdir "$dir"
		mount -t cgroup -o "$(sed 's/^name=/none,name=/' <<<"$names")" cgroup "$dir"
	done </proc/self/cgroup
}

lock_network() { # one node per machine and NET. The node's processes hold the lock, so it goes when they do, however that is.
	exec 8>>"$LOCK"
	if ! flock -n 8; then
		echo "waiting: the test node $NET of this machine is in use ($(tail -n 1 "$LOCK"))" >&2
		flock -w "${LOCK_SECONDS:-300}" 8 || { echo "gave up: it is still in use; end it, or leave the pods out with BARRAGE_TEST_WITHOUT=pods" >&2; return 1; }
	fi
	echo "by process $$ for $RUN." >"$LOCK"
}

link_network() { # link_network PID: a cable from here to the process's network namespace
	unlink_network # after a crash: the kernel takes its time
	ip link add "$NAME" type veth peer name eth0 netns "$1"
	ip address add "$NET.0.1/30" dev "$NAME"
	ip link set "$NAME" up
	ip route add "$NET.1.0/24" via "$NET.0.2"
	ip route add "$SERVICES" via "$NET.0.2"
	ip route add unreachable "$NET.0.0/16" # should the cluster die, nothing for it leaves this machine
}

owns_network() { # whether the last to take the lock was this cluster
	grep -qsF " $RUN." "$LOCK"
}

unlink_network() {
	ip route del unreachable "$NET.0.0/16" 2>/dev/null || true
	ip link del "$NAME" 2>/dev/null || true # and its routes with it
}
