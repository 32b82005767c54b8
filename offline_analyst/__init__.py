"""Offline analyst: a stand-alone endpoint that speaks like a model service and writes its answers by rule."""
