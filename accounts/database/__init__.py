"""What a database session may see: roles, row-level security and how sessions are told.

`base` is Django's PostgreSQL backend with it, `standing` says as whom to ask now, `row_security`
installs roles and policies (docs/adr/0008).
"""
