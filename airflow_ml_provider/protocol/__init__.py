"""What crosses the boundary between Airflow and a stage: one request in, one result out.

Standard library only. A stage container of any age speaks to an Airflow of any age through these classes;
``PROTOCOL_VERSION`` grows when a field is added, removed or changes its meaning.
"""
