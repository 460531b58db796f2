-- Where the models of this build are: a project may keep some in schemas of its own, or replace them by models of the same names. A
-- table that is not here is of an older build; `keep_built` takes out those of models that failed.
{% set found = [] %}
{% if execute %}
{% for node in graph.nodes.values() if node.resource_type in ("model", "seed") and "amocrm__" in node.name %}
{% do found.append(amocrm.table_of(node)) %}
{% endfor %}
{% endif %}
select cast(name as varchar) as table_name, cast(home as varchar) as table_schema, cast(relation as varchar) as relation_name, cast(package as varchar) as defined_by
from (values
    {% for row in found or [("", "", "", "")] %}('{{ row | join("', '") }}'){% if not loop.last %}, {% endif %}{% endfor %}

) as tables (name, home, relation, package)
