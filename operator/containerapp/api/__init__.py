"""The custom resources as pydantic models: the single source of truth for fields, defaults and rules.

Everything else about the API (the CustomResourceDefinition, its reference page, what the operator parses)
is derived from here. Nothing in this package does I/O or knows how an app is carried out.
"""
