"""The SQL underneath the savers: operations written once, dialects, drivers, migrations."""
