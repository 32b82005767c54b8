#!/bin/sh
# First start of the database: the owner that migrates, the app role that everything else runs as, the platform's roles
# that the app role steps into for one transaction, and the role that backs up.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -v owner="$OWNER_PASSWORD" -v app="$APP_PASSWORD" <<'SQL'
CREATE ROLE mes_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner';
CREATE ROLE mes_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'app';
CREATE ROLE mes_door NOLOGIN NOINHERIT;
CREATE ROLE mes_jobs NOLOGIN NOINHERIT;
CREATE ROLE mes_staff NOLOGIN NOINHERIT;
GRANT mes_door, mes_jobs, mes_staff TO mes_app WITH INHERIT FALSE, SET TRUE;
CREATE ROLE mes_backup NOLOGIN NOSUPERUSER BYPASSRLS;
GRANT pg_read_all_data TO mes_backup;
CREATE DATABASE mesassist OWNER mes_owner;
\connect mesassist
ALTER SCHEMA public OWNER TO mes_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE mes_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mes_app;
ALTER DEFAULT PRIVILEGES FOR ROLE mes_owner GRANT USAGE, SELECT ON SEQUENCES TO mes_app;
SQL
