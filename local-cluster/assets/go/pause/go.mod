module mezzo.dev/local-cluster/assets/pause

go 1.26.0
