"""From manifests of AWS Copilot to ContainerApps and ContainerJobs.

`environments` lays what an environment changes over the manifest, `application` makes the app or the job of the result.
"""
