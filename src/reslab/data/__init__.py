"""Data sets, the order of their examples, augmentation on the device, and the DataModules.

`reslab.data.modules` has the DataModules; everything else in this package works without lightning.
"""
