"""The child kinds of every kind that runs Pods, one file each; no renderer sees another's output."""
