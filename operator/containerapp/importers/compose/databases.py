"""Images of databases and the like: the port that they listen on, and the service of AWS that does the same."""

from __future__ import annotations

from typing import NamedTuple


class Database(NamedTuple):
    """What is known of an image by its name."""

    port: int
    managed: str
    is_strict: bool = False
    """Whether it refuses a folder that is not empty, as a new disk with its `lost+found`."""


_KNOWN = {
    "postgres": Database(5432, "Amazon RDS", is_strict=True),
    "postgis": Database(5432, "Amazon RDS", is_strict=True),
    "timescaledb": Database(5432, "Amazon RDS", is_strict=True),
    "mysql": Database(3306, "Amazon RDS", is_strict=True),
    "mariadb": Database(3306, "Amazon RDS", is_strict=True),
    "redis": Database(6379, "Amazon ElastiCache"),
    "valkey": Database(6379, "Amazon ElastiCache"),
    "memcached": Database(11211, "Amazon ElastiCache"),
    "mongo": Database(27017, "Amazon DocumentDB"),
    "rabbitmq": Database(5672, "Amazon MQ"),
    "elasticsearch": Database(9200, "Amazon OpenSearch Service"),
    "opensearch": Database(9200, "Amazon OpenSearch Service"),
    "minio": Database(9000, "Amazon S3"),
}


def database(image: str) -> Database | None:
    """Return what is known of an image; None where it is nothing of the kind."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    words = name.replace("_", "-").split("-")
    return next((known for word, known in _KNOWN.items() if words[0] == word), None)
