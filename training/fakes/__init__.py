"""Fakes to train a detector on: the run's own generator, and other kinds, made on the spot, so that the detector
learns what a real digit is and not only what one generator does.

Every kind is a `Kind`: it gives as many images as it is asked for.
"""
