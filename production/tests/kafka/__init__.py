"""Kafka in tests: brokers, a schema registry and consumer processes, all of them real processes or real HTTP."""
