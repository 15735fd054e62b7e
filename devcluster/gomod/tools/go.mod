module containerapp.dev/devcluster/tools

go 1.26.0

tool (
	go.etcd.io/etcd/server/v3
	helm.sh/helm/v4/cmd/helm
	sigs.k8s.io/kwok/cmd/kwok
)

require (
	go.etcd.io/etcd/server/v3 v3.7.3
	helm.sh/helm/v4 v4.3.1
	sigs.k8s.io/kwok v0.8.0
)
