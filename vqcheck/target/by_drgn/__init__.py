"""drgn as a Target: kernels in dumps and live, processes and their cores, and saving layouts from debug information.

Needs the drgn package (`pip install vqcheck[drgn]`); nothing else imports these modules.
"""
