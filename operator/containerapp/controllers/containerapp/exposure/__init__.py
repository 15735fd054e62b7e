"""How an app is reached from outside: which way, by what annotations, and whether another app has the host. Pure."""
