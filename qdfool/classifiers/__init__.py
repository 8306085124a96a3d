"""Classifiers that come with qdfool: their networks, their weights, and how they are trained."""
