"""What a release needs besides the code: a reproducible image, a bill of materials, the licences of what is shipped.

Used by the Makefile alone; no part of the operator.
"""
