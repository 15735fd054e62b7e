"""From Compose files to ContainerApps.

`project` makes one tree of the files, `services` each service's app, `application` the whole.
"""
