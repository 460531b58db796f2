"""`source-amocrm mcp`: the marts for an assistant, by the Model Context Protocol."""
