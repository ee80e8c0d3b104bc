"""`crash> vqstate [NAME]`: the driver's view of each virtqueue, from a crash session.

Two ways lead to it.  With PyKdump, `vqstate.py` is the program to run with epython and `register.py` makes a command of
it.  A crash without PyKdump loads `vqstate.so`, which `build.py` makes of the folder `loader`.
"""
