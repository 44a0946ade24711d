"""How far estimates are from what others measured.

The study's table (`compare.study`): training and validation of an epoch on a v3-8, TensorFlow, input pipeline included.
"""

# Measured seconds over estimated ones, least and most; `make tpu-calibration` shows them all.
SPREAD = (1.0, 1.0)
