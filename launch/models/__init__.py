"""`make models`: models that a user downloads once, what each gives, and where it comes from.

catalogue.py   which there are
fetch.py       getting one, checked against what its publisher says of it

FetchFailed          it could not be had; what is there is as it was
    ChecksumDiffers      what came is not what was published
"""
