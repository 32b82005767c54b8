"""Dashboards: what does a person look at?"""
