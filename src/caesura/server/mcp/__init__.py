"""The graphs as tools of the Model Context Protocol: requests, tools, and questions put to people."""
