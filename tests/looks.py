"""A look at a listing, for tests."""

from airflow_ml_provider.decisions.data.new_data import Looking
from airflow_ml_provider.decisions.data.settling import Quiet
from airflow_ml_provider.protocol.manifest import SourceObject

SETTLING = Quiet(5.0)


def look(listing, *, is_handed_out=lambda entry: False, now=1e6, settling=SETTLING, limit=10, **more):
    looking = Looking(is_handed_out=is_handed_out, now=now, settling=settling, limit=limit, **more)
    for entry in listing:
        looking.add(entry)
    return looking.result()


def in_part(name, partition, changed=1.0):
    return SourceObject(f"s3://raw/{partition}/{name}", "1", 1, changed, partition)
