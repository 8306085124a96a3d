"""The standard examination of a classifier: its runs, their score, its card and its page."""
