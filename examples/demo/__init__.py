"""`make demo`: from a Dockerfile to an open web page, on a throw-away cluster.

The cluster, the registry and the AWS APIs come from `devcluster`; the operator comes from this repository, by its
Dockerfile and its chart, as a user would install it.
"""
