# Settings shared by the scripts here; each can be set in the environment.
cd "$(dirname "${BASH_SOURCE[0]}")"
export OUT=$(realpath -m "${OUT:-../../.cache/cluster}") # programs (bin/) and images/: shared by every cluster
export RUN=$(realpath -m "${RUN:-$OUT/run}")             # one running cluster: its kubeconfig, logs and state
export NET=${NET:-10.250}                                # pods mode: link $NET.0.0/30, pods $NET.1.0/24
export PORT=${PORT:-16443}                               # the API server's port
NAME=barrage-${NET#*.}                                    # of the link to its network
LOCK=/run/$NAME.lock                                     # held by the node of this network
SERVICES=$NET.128.0/20
SERVICE_IP=$NET.128.1
# Go's own installer and Debian's nftables are not on everybody's PATH.
THEIRS=${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS:}$PATH:/usr/local/go/bin:/usr/sbin:/sbin
export PATH=${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS:}$OUT/bin:$PATH:/usr/local/go/bin:/usr/sbin:/sbin
