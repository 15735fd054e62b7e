"""From what others describe services and jobs with to manifests of ours.

Each format is a module: a function from a `Source` to an `Imported`. Pure: files and AWS are read by the command line.
"""
