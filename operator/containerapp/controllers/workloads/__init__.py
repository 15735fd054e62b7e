"""What every kind decides that runs Pods: its image, secrets, role and storage, and why its Pods fail. Pure.

Imported by the kinds; it knows none of them but by their models. `pods` is what stands in the Pods themselves.
"""
