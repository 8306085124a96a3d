"""Studies: accounts of evolved images that can be re-run, `python -m qdfool.studies NAME`.

One file per account, composed of what the package has. Each leaves a report that answers its question.
"""
