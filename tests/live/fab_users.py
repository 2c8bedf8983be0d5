"""Makes users and roles of the FAB auth manager, all in one process: ``{"users": ..., "rights": ...}`` on stdin."""

import json
import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    with get_application_builder() as builder:
        manager = builder.sm
        manager.create_dag_specific_permissions()
        for role, rights in wanted["rights"].items():
            found = manager.add_role(role)
            for action, resource in rights:
                manager.add_permission_to_role(found, manager.create_permission(action, resource))
        for user, role in wanted["users"].items():
            given = manager.add_user(user, user, user, f"{user}@example.org", [manager.find_role(role)], password=user)
            assert given, f"{user} was not made"
