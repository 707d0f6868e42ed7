"""What every route shares: the table of routes, one call, replies, errors, limits, OpenAPI."""
