"""Analyses: what does the assistant say, about which figures, at what cost?"""
