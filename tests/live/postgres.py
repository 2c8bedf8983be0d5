"""A real Postgres, from a wheel."""

import json
from contextlib import closing
from dataclasses import dataclass

import psycopg2


@dataclass(frozen=True)
class Postgres:
    """A server that answers on a socket.

    Attributes:
        folder: Where the socket is.
    """

    folder: str

    @property
    def connection(self):
        """As Airflow reads it from its environment."""
        return json.dumps({"conn_type": "postgres", "host": self.folder, "login": "postgres", "schema": "postgres"})

    def run(self, statement, *values):
        """Run a statement in a transaction of its own."""
        opened = psycopg2.connect(host=self.folder, user="postgres", dbname="postgres")
        with closing(opened) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
