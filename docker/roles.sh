#!/bin/sh
# First start of the database: the owner that migrates and the app role that everything else runs as.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -v owner="$OWNER_PASSWORD" -v app="$APP_PASSWORD" <<'SQL'
CREATE ROLE mes_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner';
CREATE ROLE mes_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'app';
CREATE DATABASE mesassist OWNER mes_owner;
\connect mesassist
ALTER SCHEMA public OWNER TO mes_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE mes_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mes_app;
ALTER DEFAULT PRIVILEGES FOR ROLE mes_owner GRANT USAGE, SELECT ON SEQUENCES TO mes_app;
SQL
