"""What Timbe, Carreiras and Munhangane published (Breaking CNNs - MNIST Dataset, report of May 2021).

The figures of the account that the study `ga-operators` runs again, and nothing else.
"""

SELECTIONS = ("FPS", "TS", "RS")
"""Fitness proportion, tournament of 20, ranking."""
CROSSOVERS = ("SPC", "AC")
"""Single point, arithmetic."""
MUTATIONS = ("SM", "IM")
"""Swap, inversion."""
SCENARIOS = tuple(f"{s}_{c}_{m}" for s in SELECTIONS for c in CROSSOVERS for m in MUTATIONS)
"""Sections 3.2 to 3.13, in their order."""
MICRO_AVERAGE = dict(
    zip(SCENARIOS, (0.15, 0.20, 0.15, 0.19, 0.70, 0.28, 0.65, 0.32, 0.61, 0.26, 0.62, 0.27), strict=True)
)
"""Precision, recall and F1 after ten generations, micro-averaged: all three are the accuracy (figures 2 to 13)."""
BASELINE = 0.95
"""The same on the test set, before evolution (figure 1)."""
SUPPORT = dict(
    zip(
        SCENARIOS,
        (
            (192, 0, 283, 2, 50, 3, 152, 181, 92, 45),
            (80, 0, 201, 32, 80, 25, 114, 134, 195, 139),
            (30, 0, 347, 3, 57, 16, 193, 201, 114, 39),
            (55, 0, 240, 44, 15, 26, 198, 126, 183, 113),
            (76, 110, 119, 123, 128, 60, 96, 113, 115, 60),
            (66, 174, 121, 45, 113, 131, 69, 71, 125, 85),
            (79, 157, 103, 136, 110, 49, 35, 152, 75, 104),
            (83, 141, 115, 77, 95, 105, 107, 113, 96, 68),
            (94, 94, 120, 158, 135, 24, 100, 63, 70, 142),
            (81, 71, 192, 170, 125, 83, 90, 42, 93, 53),
            (47, 98, 223, 131, 121, 45, 131, 79, 91, 34),
            (84, 95, 147, 105, 114, 116, 82, 87, 123, 47),
        ),
        strict=True,
    )
)
"""Individuals that carry each label 0 to 9 after ten generations (figures 2 to 13)."""
BEST = "FPS_AC_SM"
"""The scenario that the account calls best, and repeats with elitism (section 3.15)."""
TOTAL_FITNESS, TOTAL_FITNESS_ELITISM = 653.74, 656.31
"""Of the last generation of `BEST`, without and with the ten best kept."""
